//! `mailkeep`, the command: every admin task, one file for each family.
//!
//! **Duty.** Reads the command line, files and passwords in the administrator's
//! own process, and asks `control` in typed messages. Accounts' mail is never
//! opened here: a task on an account runs in that account's worker.
//!
//! **Trusts** its user. **Is trusted by** nobody: `control` asks the kernel who it
//! is. **If taken over:** what its user may do.

mod admin_socket;
mod amount;
mod audit;
mod demo;
mod passwd_file;
mod password_scheme;
mod quota;
mod repair;
mod rewound;
mod run;
mod status;
mod user;
mod verify;

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
    Audit(audit::Audit),
    Verify(verify::Verify),
    Repair(repair::Repair),
    Rewound(rewound::Rewound),
    Quota(quota::Quota),
    /// Read the configuration again; applied whole, or not at all
    Reload,
}

/// Passwords are typed here.
#[global_allocator]
static MEMORY: sandbox::Wiping = sandbox::Wiping;

fn main() -> ExitCode {
    let command = Command::parse();
    match carry_out(&command) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("mailkeep: {why}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(command: &Command) -> Result<ExitCode, String> {
    let socket = &command.socket;
    match &command.task {
        Task::Run(run) => match run.run() {
            Ok(()) => Ok(()),
            Err(why) => {
                eprintln!("mailkeep: {why}");
                return Ok(ExitCode::from(why.exit_code()));
            }
        },
        Task::Check(check) => check.run().map_err(text),
        Task::Demo(demo) => demo.run().map_err(text),
        Task::User(user) => user.run(socket).map_err(text),
        Task::Status(status) => status.run(socket).map_err(text),
        Task::Repair(repair) => repair.run(socket).map_err(text),
        Task::Rewound(rewound) => rewound.run(socket),
        Task::Quota(quota) => quota.run(socket).map_err(text),
        // Their exit codes say more than that it was done.
        Task::Audit(audit) => return Ok(audit.run(socket)),
        Task::Verify(verify) => return Ok(verify.run(socket)),
        Task::Reload => match status::reload(socket).map_err(text)? {
            status::Reloaded::Yes => {
                println!("reloaded");
                Ok(())
            }
            status::Reloaded::No(why) => Err(why),
        },
    }
    .map(|()| ExitCode::SUCCESS)
}

fn text(why: impl std::fmt::Display) -> String {
    why.to_string()
}
