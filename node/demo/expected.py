#!/usr/bin/env python3
"""What the demo tasks' results must be, computed without demo-agent.

Written from the skills' definitions (the first lines of each file in ../src/demo_agent), with nothing but Python's
standard library and by other means where there are any: regular expressions for words and Markdown, `statistics` for
the tables, a validator of its own for the schema. In: tasks/*.toml and the documents they name. Out: expected.json, the
values a test holds demo-agent to; and the literals of the checks in the task files.

    python3 expected.py            # say what is stale; exit code 1 if anything is
    python3 expected.py --write    # bring expected.json and the checks' literals up to date

A check with a range is never rewritten: if the value has left it, a person decides.
"""

import collections
import csv
import hashlib
import json
import pathlib
import re
import statistics
import sys
import tomllib

HERE = pathlib.Path(__file__).parent


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def steady(value):
    """Nine significant digits."""
    return float(f"{value:.8e}")


# text/statistics

TERMINATED = re.compile(r"""[.!?…]["'”’)\]}*_]*(?=\s|$)""")
ABBREVIATIONS = re.compile(r"(?:mr|mrs|ms|dr|st|prof|vs|cf|e\.g|i\.e)\Z", re.IGNORECASE)


def sentences(paragraph):
    found, start = 0, 0
    for end in TERMINATED.finditer(paragraph):
        so_far, rest = paragraph[start : end.start()], paragraph[end.end() :]
        if not re.search(r"\w", so_far):
            continue
        following = re.search(r"[^\W_]", rest)
        next_piece = rest.split()[:1]
        if following and next_piece and following[0] in next_piece[0] and following[0].islower():
            continue
        if end[0].startswith("."):
            last = re.sub(r"^[\W_]+", "", so_far.split()[-1])
            lone_number = last.isdigit() and not re.search(r"\w", so_far.rsplit(last, 1)[0])
            if re.fullmatch(r"[^\W\d_]", last) or lone_number or ABBREVIATIONS.match(last):
                continue
        found, start = found + 1, end.end()
    return found + bool(re.search(r"[^\W_]", paragraph[start:]))


def headings(text):
    found, fenced = [], False
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced and (match := re.match(r"(#{1,6}) +(.*?)[ #]*$", line)):
            found.append({"level": len(match[1]), "text": plain(match[2]), "line": number})
    return found


def text_statistics(inputs, params):
    data = inputs["document"]
    text = data.decode()
    words = [word.lower().replace("’", "'") for word in re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text)]
    counts = collections.Counter(words)
    paragraphs = [part for part in re.split(r"\n(?:[ \t]*\n)+", text) if part.strip()]
    return {
        "sha256": sha256(data),
        "bytes": len(data),
        "characters": len(text),
        "lines": text.count("\n") + (not text.endswith("\n")),
        "words": len(words),
        "distinct_words": len(counts),
        "sentences": sum(map(sentences, paragraphs)),
        "paragraphs": len(paragraphs),
        "longest_word": min(counts, key=lambda word: (-len(word), word)),
        "mean_word_length": round(statistics.fmean(map(len, words)), 4),
        "top_words": [
            {"word": word, "count": count}
            for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:10]
        ],
        "headings": headings(text) if params.get("markdown") else [],
        "confidence": round(sum(c.isprintable() or c.isspace() for c in text) / len(text), 6),
    }


# table/summarise


def cell(text, missing):
    text = text.strip()
    if text.lower() in {"", "-", "na", "n/a", "nan", "null", "none"} or text in missing:
        return None
    if re.fullmatch(r"\d{4}-\d\d(-\d\d)?", text):
        return text
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text):
        return float(text)
    return (text,)


def column(name, cells):
    held = [value for value in cells if value is not None]
    numbers = [value for value in held if isinstance(value, int | float)]
    dates = [value for value in held if isinstance(value, str)]
    result = {"name": name, "count": len(held), "missing": len(cells) - len(held)}
    result["empty_share"] = round(result["missing"] / len(cells), 4)
    if 2 * len(numbers) > len(held):
        whole = all(isinstance(value, int) for value in numbers)
        result |= {
            "type": "integer" if whole else "decimal",
            "min": min(numbers),
            "max": max(numbers),
            "sum": sum(numbers) if whole else steady(statistics.fsum(numbers)),
            "mean": steady(statistics.fmean(numbers)),
            "stddev": steady(statistics.stdev(numbers)),
        }
        return result, len(numbers)
    if 2 * len(dates) > len(held):
        return result | {"type": "date", "min": min(dates), "max": max(dates)}, len(dates)
    return result | {"type": "text"}, len(held)


def table_summarise(inputs, params):
    data = inputs["table"]
    header, *rows = csv.reader(data.decode().splitlines())
    rows = list(enumerate(rows, 2))
    missing = set(params.get("missing", []))
    if "from" in params:
        at = header.index(params["x"])
        rows = [(number, row) for number, row in rows if params["from"] <= float(row[at]) <= params["to"]]
    cells = [[cell(row[at] if at < len(row) else "", missing) for _, row in rows] for at in range(len(header))]
    summaries = [column(name, values) for name, values in zip(header, cells)]
    ragged = [(number, len(row)) for number, row in rows if len(row) != len(header)]
    xs, ys = cells[header.index(params["x"])], cells[header.index(params["column"])]
    points = [(x, y) for x, y in zip(xs, ys) if isinstance(x, int | float) and isinstance(y, int | float)]
    slope, intercept = statistics.linear_regression(*zip(*points))
    return {
        "sha256": sha256(data),
        "rows": len(rows),
        "columns": [summary for summary, _ in summaries],
        "mean": steady(statistics.fmean(y for y in ys if isinstance(y, int | float))),
        "trend": {
            "column": params["column"],
            "per": params["x"],
            "points": len(points),
            "slope": steady(slope),
            "intercept": steady(intercept),
            "r2": steady(statistics.correlation(*zip(*points)) ** 2),
        },
        "problem_count": len(ragged),
        "problems": [{"line": line} for line, _ in ragged[:20]],
        "confidence": round(sum(fit for _, fit in summaries) / sum(s["count"] for s, _ in summaries), 6),
    }


# json/validate

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def has_type(value, name):
    if name == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if name == "integer":
        return has_type(value, "number") and value == int(value)
    return isinstance(value, TYPES[name])


def faults(value, schema, root, path=""):
    """The paths at which `value` breaks `schema`, of which it knows what our schemas use."""
    known = {"$schema", "$defs", "$ref", "title", "description", "type", "enum", "pattern", "minimum", "maximum"}
    known |= {"minLength", "maxLength", "minItems", "maxItems", "items", "required", "properties", "additionalProperties"}
    assert not set(schema) - known, set(schema) - known
    found = []
    if "$ref" in schema:
        found += faults(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, path)
    kinds = schema.get("type", [])
    wrong = [bool(kinds) and not any(has_type(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))]
    wrong += ["enum" in schema and value not in schema["enum"]]
    if has_type(value, "number"):
        wrong += [value < schema.get("minimum", value), value > schema.get("maximum", value)]
    if isinstance(value, str):
        wrong += [not re.search(schema.get("pattern", ""), value)]
        wrong += [not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))]
    if isinstance(value, list):
        wrong += [not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))]
        for index, element in enumerate(value):
            found += faults(element, schema.get("items", {}), root, f"{path}/{index}")
    if isinstance(value, dict):
        wrong += [name not in value for name in schema.get("required", [])]
        inner = schema.get("properties", {})
        others = schema.get("additionalProperties", {})
        wrong += [others is False and bool(set(value) - set(inner))]
        for name in value:
            found += faults(value[name], inner.get(name, others or {}), root, f"{path}/{name}")
    return found + [path] * sum(wrong)


class Pairs(list):
    """An object as it stands in the document, repeated keys and all."""


def walk(value, counts, repeated, path="", depth=0):
    """Counts what is there and returns (plain value, depth reached)."""
    if isinstance(value, Pairs):
        counts["objects"] += 1
        counts["keys"] += len(value)
        inner, deepest, seen = {}, depth + 1, set()
        for key, element in value:
            if key in seen:
                repeated.append({"path": path, "key": key})
            seen.add(key)
            inner[key], below = walk(element, counts, repeated, f"{path}/{key}", depth + 1)
            deepest = max(deepest, below)
        return inner, deepest
    if isinstance(value, list):
        counts["arrays"] += 1
        walked = [walk(element, counts, repeated, f"{path}/{at}", depth + 1) for at, element in enumerate(value)]
        return [element for element, _ in walked], max([depth + 1] + [below for _, below in walked])
    name = next(name for name in ("boolean", "null", "string", "number") if has_type(value, name))
    counts[name + "s"] += 1
    return value, depth


def json_validate(inputs, _params):
    counts = dict.fromkeys(["objects", "arrays", "strings", "numbers", "booleans", "nulls", "keys"], 0)
    repeated = []
    value, depth = walk(json.loads(inputs["document"], object_pairs_hook=Pairs), counts, repeated)
    schema = json.loads(inputs["schema"])
    errors = sorted(faults(value, schema, schema))
    return {
        "sha256": sha256(inputs["document"]),
        "valid": not errors,
        "well_formed": True,
        "schema_applied": True,
        "error_count": len(errors),
        "errors": [{"path": path} for path in errors[:20]],
        "counts": counts,
        "max_depth": depth,
        "duplicate_count": len(repeated),
        "duplicate_keys": repeated,
        "confidence": round(1 - len(repeated) / counts["keys"], 6),
    }


# checksum/verify


def checksum_verify(inputs, params):
    malformed = []
    named = {params["names"].get(name, name): sha256(data) for name, data in inputs.items() if name != "list"}
    files, totals = [], dict.fromkeys(["lines", "ok", "mismatch", "missing", "malformed", "unlisted"], 0)
    for number, line in enumerate(inputs["list"].decode().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        totals["lines"] += 1
        match = re.fullmatch(r"([0-9a-fA-F]{64}) [ *](.+)", line)
        if not match:
            totals["malformed"] += 1
            malformed.append({"line": number, "text": line})
            continue
        expected, name = match[1].lower(), match[2]
        actual = named.get(name)
        status = "missing" if actual is None else "ok" if actual == expected else "mismatch"
        totals[status] += 1
        file = {"name": name, "line": number, "status": status, "expected": expected}
        files.append(file if actual is None else file | {"actual": actual})
    totals["unlisted"] = len(set(named) - {file["name"] for file in files})
    return {
        "sha256": sha256(inputs["list"]),
        "all_ok": totals["ok"] == totals["lines"],
        "files": files,
        "malformed": malformed,
        "unlisted": sorted(set(named) - {file["name"] for file in files}),
        "totals": totals,
        "confidence": round((totals["ok"] + totals["mismatch"]) / totals["lines"], 6),
    }


# changelog/extract


def plain(markdown):
    """Inline Markdown as the text it shows."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    text = re.sub(r"(\*\*|\*|`)(?=\S)(.+?)\1", r"\2", text)
    return " ".join(text.split())


def changelog_extract(inputs, _params):
    text = inputs["document"].decode()
    entries = []
    item = []  # the lines of the list item being read, and where they go
    target = None

    def close():
        if item:
            target.append(plain(" ".join(item)))
            item.clear()

    for line in text.split("\n"):
        release = re.match(r"## \[(Unreleased|[\d.]+)\](?: - (\d{4}-\d\d-\d\d))?", line)
        bullet = re.match(r" *- (.*)", line)
        if release or bullet or line.startswith("### ") or not line.strip():
            close()
        if release:
            version, date = release.groups()
            entries.append({"version": version} | ({"date": date} if date else {}) | {"notes": [], "sections": []})
        elif line.startswith("### "):
            entries[-1]["sections"].append({"title": line[4:], "items": []})
        elif bullet:
            target = entries[-1]["sections"][-1]["items"]
            item.append(bullet[1])
        elif item:
            item.append(line)
        elif line.strip() and entries and not re.match(r"\[[^\]]+\]: ", line):
            target = entries[-1]["notes"]
            item.append(line)
    close()
    sections = [section for entry in entries for section in entry["sections"]]
    items = sum(len(section["items"]) for section in sections)
    released = [entry["version"] for entry in entries if entry["version"] != "Unreleased"]
    return {
        "sha256": sha256(inputs["document"]),
        **({"latest": released[0]} if released else {}),
        "entries": entries,
        "totals": {
            "entries": len(entries),
            "dated": sum("date" in entry for entry in entries),
            "sections": len(sections),
            "items": items,
        },
        "confidence": round(items / len(re.findall(r"(?m)^ *- ", text)), 6),
    }


SKILLS = {
    "text/statistics": text_statistics,
    "text/statistics/markdown": lambda inputs, params: text_statistics(inputs, {"markdown": True} | params),
    "table/summarise": table_summarise,
    "table/summarise/period": table_summarise,
    "json/validate": json_validate,
    "checksum/verify": checksum_verify,
    "changelog/extract": changelog_extract,
}


# The checks


def look(result, path):
    """The values at a check's path: one, or one for each element where it says []."""
    values = [result]
    for name, index in re.findall(r"([A-Za-z_]\w*)|\[(\d*)\]", path.removeprefix("result")):
        if name:
            values = [value[name] for value in values]
        elif index:
            values = [value[int(index)] for value in values]
        else:
            values = [element for value in values for element in value]
    return values


def evaluated(check, result, inputs):
    """The check with the literal it ought to have. Fails where only a person can mend it."""
    call, path, op, literal = re.fullmatch(
        r"(?:(len|sum|count)\()?(result[\w.\[\]]*)\)? (==|!=|<=|>=|<|>|in|matches) (.*)", check
    ).groups()
    values = look(result, path)
    value = {"len": lambda: len(values[0]), "sum": lambda: sum(values), "count": lambda: len(values)}.get(
        call, lambda: values[0]
    )()
    if op == "in":
        low, high = json.loads(literal)
        assert low <= value <= high, f"{check}: it is {value}"
    elif op == "matches":
        assert re.search(literal[1:-1], value), f"{check}: it is {value}"
    elif source := re.fullmatch(r"sha256\(input\.(\w+)\)", literal):
        assert value == sha256(inputs[source[1]]), f"{check}: it is {value}"
    elif op == "==":
        return check[: len(check) - len(literal)] + json.dumps(value, ensure_ascii=False)
    else:
        bound = json.loads(literal)
        assert {"!=": value != bound, "<": value < bound, "<=": value <= bound, ">": value > bound, ">=": value >= bound}[
            op
        ], f"{check}: it is {value}"
    return check


def main(write):
    expected, stale = {}, []
    for path in sorted((HERE / "tasks").glob("*.toml")):
        source = path.read_text()
        task = tomllib.loads(source)
        brief = task["brief"]
        inputs = {name: (path.parent / file).read_bytes() for name, file in brief["inputs"].items()}
        result = SKILLS[task["skill"]](inputs, brief.get("params", {}))
        expected[path.name] = result
        updated = source
        for check in task["accept"]["checks"] + task["accept"]["sealed"]:
            # A TOML basic string escapes as JSON does.
            old, new = (json.dumps(text, ensure_ascii=False) for text in (check, evaluated(check, result, inputs)))
            if old != new:
                assert updated.count(old) == 1, f"{path.name} does not write {old} in this form"
                updated = updated.replace(old, new)
                stale.append(f"{path.name}: {old} ought to be {new}")
        if write:
            path.write_text(updated)
    text = json.dumps(expected, indent=1, ensure_ascii=False) + "\n"
    kept = HERE / "expected.json"
    if not kept.exists() or kept.read_text() != text:
        stale.append("expected.json is not what the documents say")
    if write:
        kept.write_text(text)
    print("\n".join(stale) or "all up to date")
    return 1 if stale and not write else 0


if __name__ == "__main__":
    sys.exit(main("--write" in sys.argv[1:]))
