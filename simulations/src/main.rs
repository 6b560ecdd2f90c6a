//! `gigmesh-sim`: see [`gigmesh_simulations::cli`].

fn main() -> std::process::ExitCode {
    gigmesh_simulations::cli::main()
}
