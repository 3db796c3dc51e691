//! `mailkeep`, the command: every admin task, one file for each family.
//!
//! **Duty.** Reads the command line, files and passwords in the administrator's
//! own process, and asks `control` in typed messages. Accounts' mail is never
//! opened here: a task on an account runs in that account's worker.
//!
//! **Trusts** its user. **Is trusted by** nobody: `control` asks the kernel who it
//! is. **If taken over:** what its user may do.

mod admin_socket;
mod demo;
mod passwd_file;
mod password_scheme;
mod run;
mod status;
mod user;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// A mail store that keeps strangers and mail apart
#[derive(Debug, Parser)]
#[command(name = "mailkeep", version)]
struct Command {
    /// The admin socket of the running set
    #[arg(long, global = true, default_value = admin_socket::DEFAULT_PATH, value_name = "PATH")]
    socket: PathBuf,
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Run(run::Run),
    Check(run::Check),
    Demo(demo::Demo),
    /// Add, change, show and delete accounts
    User(user::User),
    Status(status::Status),
    /// Read the configuration again; applied whole, or not at all
    Reload,
}

fn main() -> ExitCode {
    let command = Command::parse();
    match carry_out(&command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("mailkeep: {why}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(command: &Command) -> Result<(), String> {
    match &command.task {
        Task::Run(run) => run.run().map_err(|failure| failure.to_string()),
        Task::Check(check) => check.run().map_err(|failure| failure.to_string()),
        Task::Demo(demo) => demo.run().map_err(|failure| failure.to_string()),
        Task::User(user) => user.run(&command.socket).map_err(|error| error.to_string()),
        Task::Status(status) => status
            .run(&command.socket)
            .map_err(|failure| failure.to_string()),
        Task::Reload => {
            match status::reload(&command.socket).map_err(|failure| failure.to_string())? {
                status::Reloaded::Yes => {
                    println!("reloaded");
                    Ok(())
                }
                status::Reloaded::No(why) => Err(why),
            }
        }
    }
}
