use super::*;

fn heard() -> (Heard, Instant) {
    let heard = Heard::new("ab");
    let now = Instant::now();
    (heard, now)
}

fn progress(percent: u8) -> Option<Said> {
    Some(Said::Progress { percent, note: None })
}

fn report(percent: u8) -> Vec<u8> {
    format!("{{\"percent\": {percent}}}\n").into_bytes()
}

#[test]
fn progress_is_passed_on_once_a_second_and_the_latest_wins() {
    let (mut heard, now) = heard();
    heard.hear(b"{\"percent\": 10}\n{\"percent\": 20.9}\n");
    assert_eq!(heard.take(now, false), progress(20));
    heard.hear(b"{\"percent\": 30}\n{\"percent\": 40}\n");
    assert_eq!(heard.due(), Some(now + PROGRESS_PAUSE));
    assert_eq!(heard.take(now + PROGRESS_PAUSE / 2, false), None);
    assert_eq!(heard.take(now + PROGRESS_PAUSE, false), progress(40));
    heard.hear(&report(40));
    assert_eq!(heard.due(), None, "what was said is not said again");
    heard.hear(b"{\"note\": \"a\x07b\"}\n");
    assert_eq!(heard.due(), None, "a control character is no JSON");
    heard.hear(b"{\"note\": \"a\\u0007b\"}\n");
    let noted = Said::Progress { percent: 40, note: Some("a b".to_owned()) };
    assert_eq!(heard.take(now, true), Some(noted), "the last one does not wait");
}

#[test]
fn a_long_hire_does_not_run_out_of_progress() {
    let (mut heard, start) = heard();
    let mut now = start;
    for count in 0..PROGRESS {
        heard.hear(&report(u8::try_from(count % 2).unwrap()));
        now = now.max(heard.due().unwrap());
        assert!(heard.take(now, false).is_some());
    }
    assert!(now - start > Duration::from_secs(30 * 60), "{:?}", now - start);
}

#[test]
fn a_line_may_come_in_pieces() {
    let (mut heard, now) = heard();
    heard.hear(b"{\"per");
    heard.hear(b"cent\": 5}");
    assert_eq!(heard.due(), None);
    heard.hear(b"\n\n  \n{\"ask\": \"which?\", \"percent\": 6, \"later\": [1]}\n");
    assert_eq!(heard.take(now, false), progress(6));
    assert_eq!(heard.take(now, false), Some(Said::Question("which?".to_owned())));
    assert!(!heard.blamed);
}

#[test]
fn what_is_no_report_is_let_go_and_the_next_line_is_heard() {
    let long = |size| format!("{{\"ask\": \"{}\"}}\n", "x".repeat(size)).into_bytes();
    let faults: [&[u8]; 11] = [
        b"\xff\xfe\n",
        b"[1]\n",
        b"40\n",
        b"{}\n",
        b"{\"percnt\": 4}\n",
        b"{\"percent\": 101}\n",
        b"{\"percent\": -1}\n",
        b"{\"percent\": \"4\"}\n",
        b"{\"ask\": \" \"}\n",
        &long(NOTE + 1),
        &long(4 * REPORT_LINE),
    ];
    for fault in faults {
        let (mut heard, now) = heard();
        heard.hear(fault);
        assert!(heard.blamed, "{}", String::from_utf8_lossy(fault));
        assert_eq!((heard.due(), heard.line.len()), (None, 0));
        heard.hear(&report(3));
        assert_eq!(heard.take(now, false), progress(3));
    }
    let (mut heard, _) = heard();
    (0..100).for_each(|_| heard.hear(&vec![b'x'; REPORT_READ]));
    assert!(heard.line.capacity() <= 2 * (REPORT_LINE + 1), "a line without an end is not kept");
}

#[test]
fn no_more_is_asked_than_a_hire_has_room_for() {
    let (mut heard, now) = heard();
    (0..100).for_each(|_| heard.hear(b"{\"ask\": \"which?\"}\n"));
    assert_eq!(std::iter::from_fn(|| heard.take(now, false)).count(), QUESTIONS);
    assert!(heard.blamed);
}
