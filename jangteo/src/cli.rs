//! The command line: what the program can be told, and how it says that something went wrong.
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "this is the terminal's side of the program")]

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use contracts::{Currency, Locale};

use crate::{
    config::{self, Config},
    dead_letters, export, import, openapi, run, sandbox, verify,
};

const EXAMPLES: &str = "\
Examples:
  jangteo                                   Run the demo shop on http://127.0.0.1:8080
  jangteo --listen 0.0.0.0:80 --no-demo     Run an empty shop for everybody
  jangteo import products.csv --currency KRW
  jangteo import products.csv --url http://127.0.0.1:8080   (key in $JANGTEO_API_KEY)
  jangteo verify                            Check every invariant on the data

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
    /// Show what the services of a stopped shop gave up, have it handled again, or drop it
    DeadLetters(DeadLettersArguments),
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
    /// API key with catalog:write and stock:write (better in the environment than on the command line)
    #[arg(long, value_name = "KEY", env = "JANGTEO_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
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
    target: TargetArguments,
    /// Import everything or, if any row is bad, nothing
    #[arg(long)]
    atomic: bool,
}

#[derive(Debug, Args)]
struct ExportArguments {
    /// The CSV file to write; it is replaced only when the export is complete
    file: PathBuf,
    #[command(flatten)]
    target: TargetArguments,
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

#[derive(Debug, Args)]
struct DeadLettersArguments {
    /// Have this one handled again when the shop starts; repeat for more, or say all
    #[arg(long, value_name = "ID")]
    replay: Vec<String>,
    /// Drop this one for good; repeat for more
    #[arg(long, value_name = "ID", conflicts_with = "replay")]
    discard: Vec<String>,
    #[command(flatten)]
    data: DataArguments,
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
        Some(Command::Import(import)) => {
            let target = target(import.target.clone())?;
            import::run(&import::ImportOptions {
                file: import.file,
                target,
                currency: import.target.currency,
                locale: import.target.locale,
                atomic: import.atomic,
            })
        }
        Some(Command::Export(export)) => {
            let target = target(export.target.clone())?;
            export::run(&export::ExportOptions {
                file: export.file,
                target,
                currency: export.target.currency,
                locale: export.target.locale,
            })
        }
        Some(Command::Verify(data)) => verify::run(&load(&data)?),
        Some(Command::DeadLetters(DeadLettersArguments { replay, discard, data })) => {
            dead_letters::run(&load(&data)?, &dead_letters::Wishes { replay, discard })
        }
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

fn target(arguments: TargetArguments) -> Result<import::Target> {
    Ok(match (arguments.url, arguments.api_key) {
        (Some(url), Some(api_key)) => import::Target::Running { url, api_key: api_key.into() },
        _ => import::Target::Stopped { config: Box::new(load(&arguments.data)?) },
    })
}
