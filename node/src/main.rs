//! `gigmesh`: see [`gigmesh::cli`].

fn main() -> std::process::ExitCode {
    gigmesh::cli::main()
}
