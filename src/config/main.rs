//! `mailkeep-config`: turns the text of the one configuration file into typed
//! slices, and ends.
//!
//! *Duty*: to read the file that it is given as a descriptor, and to say over
//! its channel either the whole plan or how many mistakes there are, which it
//! has then written to its standard error. As `mailkeep-config check FILE` it
//! reads the file by name, tells all mistakes, looks at the machine for what
//! the file names, and sends nothing.
//! *Trusts*: nobody; the file may be anything.
//! *Is trusted by*: the supervisor, which takes the plan without looking into
//! the slices.
//! *If taken over*: the settings of the next start. It has no file but that
//! one, no network, and no life beyond its answer.
//!
//! It never: opens what the file names (save as `check`), stays alive, logs a
//! value that could be a secret (the file holds none: secrets are files).

mod check;
mod confine;
mod emit;
mod key;
mod machine;
mod mistake;
mod nearest;
mod plan;
mod rules;
mod settings;
mod source;
mod table;
mod value;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == "check") {
        check::run(arguments)
    } else {
        emit::run()
    }
}
