//! The command line: what the program can be told, and how it says that something went wrong.
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "this is the terminal's side of the program")]

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::Result;
use chassis::operations::events::EventQuery;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use contracts::{Currency, Locale};

use crate::{
    config::{self, Config},
    dead_letters::{self, Wish},
    events, export, import, openapi, rebuild, run, sandbox,
    target::Target,
    verify,
};

const EXAMPLES: &str = "\
Examples:
  jangteo                                   Run the demo shop on http://127.0.0.1:8080
  jangteo --listen 0.0.0.0:80 --no-demo     Run an empty shop for everybody
  jangteo import products.csv --currency KRW
  jangteo import products.csv --url http://127.0.0.1:8080   (key in $JANGTEO_API_KEY)
  jangteo verify                            Check every invariant on the data
  jangteo dead-letters list                 See what was given up, and why
  jangteo events order.events --limit 10    Read what was said

Exit codes: 0 done; 1 done in part, or a check failed; 2 wrong usage or nothing could be done.";

/// A headless commerce backend: gateway, auth, product, order, payment and notification in one process.
///
/// Without a subcommand it runs the shop. Settings come from defaults, then the file given with
/// --config (or ./jangteo.toml), then JANGTEO__SECTION__KEY variables, then these flags.
#[derive(Debug, Parser)]
#[command(name = "jangteo", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(flatten)]
    run: RunArguments,
    #[command(subcommand)]
    command: Option<Command>,
}

/// How to run the shop.
#[derive(Debug, Clone, Default, Args)]
pub struct RunArguments {
    /// Address and port to serve on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Folder that holds all data; created if absent [default: ./jangteo-data]
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Do not fill a new data folder with the demo shop
    #[arg(long)]
    pub no_demo: bool,
    /// How many products the demo shop has [default: 500]
    #[arg(long, value_name = "COUNT", conflicts_with = "no_demo")]
    pub demo_products: Option<usize>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring products in from a Shopify product CSV
    Import(ImportArguments),
    /// Write all products to a Shopify product CSV
    Export(ExportArguments),
    /// Check every invariant on the data of a stopped shop
    Verify(DataArguments),
    /// See what the services gave up, have it handled again, or drop it
    DeadLetters {
        #[command(subcommand)]
        command: DeadLettersCommand,
    },
    /// Print what was said on a topic, as CloudEvents in JSON lines
    Events(EventsArguments),
    /// Make read models again from what they follow from
    Rebuild(RebuildArguments),
    /// Look at the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print the OpenAPI document of the whole API
    Openapi,
    /// Run the sandbox payment provider alone
    SandboxProvider(sandbox::SandboxArguments),
    /// Make an API key in a stopped shop and print it
    ApiKey(ApiKeyArguments),
    /// Give an account of a stopped shop a new password and print it
    ResetPassword(ResetPasswordArguments),
    /// Print a completion script for a shell
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check all layers and print the merged result, secrets hidden
    Check {
        /// Configuration file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// Which data folder.
#[derive(Debug, Clone, Args)]
pub struct DataArguments {
    /// Folder that holds all data [default: ./jangteo-data]
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// A stopped shop's folder, or a running shop's address.
#[derive(Debug, Clone, Args)]
struct TargetArguments {
    #[command(flatten)]
    data: DataArguments,
    /// Address of a running shop, such as http://127.0.0.1:8080; otherwise the shop must be stopped
    #[arg(long, value_name = "URL", conflicts_with = "data_dir", requires = "api_key")]
    url: Option<String>,
    /// API key; needs catalog:write and stock:write to import, system:operate for what operators do (better in the
    /// environment than on the command line)
    #[arg(long, value_name = "KEY", env = "JANGTEO_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
}

/// A shop, and how to read the file.
#[derive(Debug, Clone, Args)]
struct CatalogueArguments {
    #[command(flatten)]
    target: TargetArguments,
    /// Currency of the prices in the file
    #[arg(long, value_name = "CODE", default_value = "KRW")]
    currency: Currency,
    /// Language of the texts in the file: ko or en
    #[arg(long, value_name = "LOCALE", default_value = "en")]
    locale: Locale,
}

#[derive(Debug, Args)]
struct ImportArguments {
    /// The CSV file
    file: PathBuf,
    #[command(flatten)]
    catalogue: CatalogueArguments,
    /// Import everything or, if any row is bad, nothing
    #[arg(long)]
    atomic: bool,
}

#[derive(Debug, Args)]
struct ExportArguments {
    /// The CSV file to write; it is replaced only when the export is complete
    file: PathBuf,
    #[command(flatten)]
    catalogue: CatalogueArguments,
}

#[derive(Debug, Args)]
struct ApiKeyArguments {
    /// What the key is for
    name: String,
    /// What it may do; repeat for more [example: catalog:write]
    #[arg(long = "permission", value_name = "PERMISSION", required = true)]
    permissions: Vec<String>,
    #[command(flatten)]
    data: DataArguments,
}

#[derive(Debug, Subcommand)]
enum DeadLettersCommand {
    /// One line for each, with its reason
    List {
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Print one with what it says; secrets in it are hidden
    Show {
        /// Which one
        id: String,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Have some handled again: now, or when a stopped shop starts
    Replay {
        /// Which ones, or all
        #[arg(required = true)]
        ids: Vec<String>,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Drop some for good
    Drop {
        /// Which ones
        #[arg(required = true)]
        ids: Vec<String>,
        #[command(flatten)]
        target: TargetArguments,
    },
}

#[derive(Debug, Args)]
struct EventsArguments {
    /// Which topic
    #[arg(value_parser = ["auth.events", "product.events", "order.events", "payment.events"])]
    topic: String,
    /// Begin with the event at this offset
    #[arg(long, value_name = "OFFSET", default_value_t = 0)]
    from: u64,
    /// Print so many at most
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
    /// Only of this type, such as order.placed
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Only about this subject, such as an order's id
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Debug, Args)]
struct RebuildArguments {
    /// What to make again
    #[arg(default_value = "all")]
    what: rebuild::ReadModel,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Debug, Args)]
struct ResetPasswordArguments {
    /// Whose; the administrator's by default
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    #[command(flatten)]
    data: DataArguments,
}

/// Does what the arguments say.
pub fn run(arguments: Arguments) -> ExitCode {
    match dispatch(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("jangteo: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn dispatch(arguments: Arguments) -> Result<ExitCode> {
    match arguments.command {
        None => run::run(&arguments.run),
        Some(Command::Import(ImportArguments { file, catalogue, atomic })) => {
            let CatalogueArguments { target, currency, locale } = catalogue;
            import::run(&import::ImportOptions { file, target: find(target)?, currency, locale, atomic })
        }
        Some(Command::Export(ExportArguments { file, catalogue })) => {
            let CatalogueArguments { target, currency, locale } = catalogue;
            export::run(&export::ExportOptions { file, target: find(target)?, currency, locale })
        }
        Some(Command::Verify(data)) => verify::run(&load(&data)?),
        Some(Command::DeadLetters { command }) => {
            let (target, wish) = match command {
                DeadLettersCommand::List { target } => (target, Wish::List),
                DeadLettersCommand::Show { id, target } => (target, Wish::Show(id)),
                DeadLettersCommand::Replay { ids, target } => (target, Wish::Replay(ids)),
                DeadLettersCommand::Drop { ids, target } => (target, Wish::Drop(ids)),
            };
            dead_letters::run(&find(target)?, &wish)
        }
        Some(Command::Events(EventsArguments { topic, from, limit, event_type, key, target })) => {
            let query = EventQuery { from, limit: limit.unwrap_or(usize::MAX), event_type, key };
            events::run(&find(target)?, &topic, query)
        }
        Some(Command::Rebuild(RebuildArguments { what, target })) => rebuild::run(&find(target)?, what),
        Some(Command::Config { command: ConfigCommand::Check { config } }) => {
            print!("{}", config::check(config.as_deref())?);
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Openapi) => {
            println!("{}", openapi::document()?);
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::SandboxProvider(sandbox)) => sandbox::run(&sandbox),
        Some(Command::ApiKey(key)) => {
            println!("{}", crate::api_key::create(&load(&key.data)?, key.name, &key.permissions)?);
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::ResetPassword(reset)) => {
            println!("{}", crate::reset_password::reset(&load(&reset.data)?, reset.email.as_deref())?);
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Arguments::command(), "jangteo", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn load(data: &DataArguments) -> Result<Config> {
    let flags =
        RunArguments { data_dir: data.data_dir.clone(), config: data.config.clone(), ..RunArguments::default() };
    config::load(&flags)
}

fn find(arguments: TargetArguments) -> Result<Target> {
    Ok(match (arguments.url, arguments.api_key) {
        (Some(url), Some(api_key)) => Target::Running { url, api_key: api_key.into() },
        _ => Target::Stopped { config: Box::new(load(&arguments.data)?) },
    })
}
