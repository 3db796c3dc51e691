//! Mailkeep beside a Dovecot, measured in one run. README.md says how to use it.
//!
//! Client and servers share the machine: the client costs as little as it can, both get
//! the same work in turns, and what is quoted are medians and ratios. Whatever a server
//! does, the program ends in bounded time, and its servers with it.

mod client;
mod failed;
mod growth;
mod layers;
mod letters;
mod machine;
mod many;
mod neighbours;
mod report;
mod scale;
mod server;
mod statistics;
mod table;
mod users;

use clap::{Args, Parser, Subcommand};
use failed::Failed;
use report::Table;
use scale::Scale;
use server::{Home, Kind, Server};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use table::{Contenders, Plan, Workload};

/// Measures Mailkeep beside Debian's Dovecot.
#[derive(Debug, Parser)]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Fills both servers, runs each workload in turns, and writes the table.
    Table(TableOptions),
    /// Measures Mailkeep alone on accounts of growing size.
    Growth(GrowthOptions),
    /// Measures Mailkeep alone with many accounts and sessions at once.
    Many(ManyOptions),
    /// Measures what one account feels of another that does its worst.
    Neighbours {
        /// Little of everything: whether it goes, not how fast.
        #[arg(long)]
        quick: bool,
    },
    /// Measures what each layer of confinement costs.
    Layers {
        /// Turns of each system call under each layer.
        #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=100))]
        turns: u32,
    },
    /// Writes the table of an earlier run from its JSON.
    Report {
        /// What `table --json` wrote.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
struct TableOptions {
    /// Little of everything: whether it goes, not how fast.
    #[arg(long)]
    quick: bool,
    /// Mailkeep without its peer.
    #[arg(long)]
    alone: bool,
    /// Turns of each workload.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    reps: u32,
    /// Workloads whose name begins so (`select,fetch-flags`).
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Where the figures go, too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// A directory whose mailboxes are kept, and found again by the next run.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Minutes after which no more turns begin; filling is extra.
    #[arg(long, default_value_t = 7)]
    minutes: u64,
    /// The names of all workloads, and nothing else.
    #[arg(long)]
    list: bool,
}

#[derive(Debug, Args)]
struct GrowthOptions {
    /// Little of everything: whether it goes, not how fast.
    #[arg(long)]
    quick: bool,
    /// Turns of each operation.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    turns: u32,
    /// A directory for the plot.
    #[arg(long)]
    plots: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ManyOptions {
    /// Accounts.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=90_000))]
    accounts: u32,
    /// Sessions at once, of an account each.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=9000))]
    sessions: u32,
    /// Seconds of deliveries and FETCHes.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
}

fn main() -> ExitCode {
    let command = Command::parse();
    let done = match &command.what {
        What::Table(options) => make_table(options),
        What::Growth(options) => grow(options),
        What::Many(options) => crowd(options),
        What::Neighbours { quick } => annoy(*quick),
        What::Layers { turns } => price_layers(*turns),
        What::Report { file } => read(file).map(|table| print!("{}", table.markdown())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("{failed}");
            ExitCode::FAILURE
        }
    }
}

fn make_table(options: &TableOptions) -> Result<(), Failed> {
    let chosen = chosen(&options.only);
    if options.list {
        chosen
            .iter()
            .for_each(|workload| println!("{}", workload.name));
        return Ok(());
    }
    machine::build()?;
    machine::allow_files()?;
    let place = machine::Place::open(options.keep.as_deref())?;
    machine::leave_nothing(&place);
    let scale = if options.quick {
        Scale::QUICK
    } else {
        Scale::WHOLE
    };
    let plan = Plan {
        alone: options.alone,
        turns: options.reps,
        time: Duration::from_secs(options.minutes * 60),
    };
    let mut contenders = Contenders::below(&place.path, place.number, scale);
    let rows = table::measure(&chosen, &mut contenders, plan);
    drop(contenders);
    let table = Table {
        machine: machine::described(),
        versions: machine::versions(),
        turns: options.reps,
        rows,
    };
    if let Some(path) = &options.json {
        write(path, &table)?;
    }
    print!("{}", table.markdown());
    Ok(())
}

fn grow(options: &GrowthOptions) -> Result<(), Failed> {
    machine::build()?;
    machine::allow_files()?;
    let place = machine::Place::open(None)?;
    machine::leave_nothing(&place);
    let sizes = growth::sizes(options.quick);
    let table = growth::measure(&place, &sizes, options.turns, options.plots.as_deref())?;
    println!("{}\n\n{table}", machine::described());
    Ok(())
}

fn crowd(options: &ManyOptions) -> Result<(), Failed> {
    machine::build()?;
    machine::allow_files()?;
    let place = machine::Place::open(None)?;
    machine::leave_nothing(&place);
    let crowd = many::Crowd {
        accounts: options.accounts.max(options.sessions) as usize,
        sessions: options.sessions as usize,
        time: Duration::from_secs(options.seconds),
    };
    let table = many::measure(&place, crowd)?;
    println!("{}\n\n{table}", machine::described());
    Ok(())
}

fn annoy(quick: bool) -> Result<(), Failed> {
    machine::build()?;
    machine::allow_files()?;
    let place = machine::Place::open(None)?;
    machine::leave_nothing(&place);
    let table = neighbours::measure(&place, quick)?;
    println!("{}\n\n{table}", machine::described());
    Ok(())
}

fn price_layers(turns: u32) -> Result<(), Failed> {
    machine::build()?;
    let place = machine::Place::open(None)?;
    machine::leave_nothing(&place);
    let home = Home::open(&place.path, place.number, 1)?;
    let server = Server::start(Kind::Mailkeep, home, 1)?;
    print!("{}", layers::measure(&server, turns)?);
    Ok(())
}

fn chosen(only: &[String]) -> Vec<Workload> {
    let mut all = table::workloads();
    let named = |name: &str| only.iter().any(|start| name.starts_with(start.as_str()));
    all.retain(|workload| only.is_empty() || named(workload.name));
    all
}

fn write(path: &Path, table: &Table) -> Result<(), Failed> {
    let json = serde_json::to_string_pretty(table);
    let json = json.map_err(|error| Failed::World(error.to_string()))?;
    std::fs::write(path, json).map_err(Failed::doing(path.display()))
}

fn read(path: &Path) -> Result<Table, Failed> {
    let json = std::fs::read_to_string(path).map_err(Failed::doing(path.display()))?;
    let table = serde_json::from_str(&json);
    table.map_err(|error| Failed::World(format!("{}: {error}", path.display())))
}
