//! Sends mails to an SMTP server, over connections that are used again.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use lettre::{
    Address, Message as MimeMessage,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::{
        Error,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        extension::ClientId,
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::{sync::Semaphore, time::Instant};

use super::{Mail, MailTransport, SendError};

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// Plain at first, then `STARTTLS`, which the server must offer (port 587).
    #[default]
    Starttls,
    /// TLS from the first byte (port 465).
    Tls,
    /// No protection: for a server on the same machine only.
    None,
}

/// `[notification.smtp]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpConfig {
    /// The server's name; its certificate must be for it.
    pub host: String,
    /// 587 for STARTTLS, 465 for TLS if not given, 25 without protection.
    #[serde(default)]
    pub port: Option<u16>,
    /// Absent if the server asks for none.
    #[serde(default)]
    pub username: Option<String>,
    /// Goes with `username`.
    #[serde(default)]
    pub password: Option<SecretString>,
    /// `starttls` (default), `tls` or `none`.
    #[serde(default)]
    pub tls: TlsMode,
    /// A PEM file with the authority that signed the server's certificate, if the system does not know it.
    #[serde(default)]
    pub ca_file: Option<std::path::PathBuf>,
    /// Seconds that handing over one mail may take, connecting included.
    #[serde(default = "timeout_seconds")]
    pub timeout_seconds: u64,
    /// Connections at once.
    #[serde(default = "connections")]
    pub connections: u32,
}

fn timeout_seconds() -> u64 {
    30
}

fn connections() -> u32 {
    8
}

/// Why the settings do not make a transport.
#[derive(Debug, thiserror::Error)]
pub enum SmtpConfigError {
    /// One of the two is missing.
    #[error("notification.smtp: `username` and `password` go together; give both or neither")]
    HalfCredentials,
    /// Credentials would cross the network readable.
    #[error("notification.smtp: `tls = \"none\"` would send the password readable; use `starttls` or `tls`")]
    PasswordInTheClear,
    /// The authority's certificate cannot be used.
    #[error("notification.smtp.ca_file: {0}")]
    Authority(String),
    /// TLS cannot be set up.
    #[error("notification.smtp: TLS cannot be set up: {0}")]
    Tls(Error),
}

/// An open connection is not used again after this long; servers close them too.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// SMTP connections, opened when needed and used again.
///
/// Not lettre's own pool: it does not limit how long a command may take, and a connection whose command
/// was cut short would go back to it with an answer still to come, which the next mail would take for its own.
/// Here only a connection that has just taken a whole mail is kept.
pub struct Smtp {
    host: String,
    port: u16,
    mode: TlsMode,
    tls: Option<TlsParameters>,
    credentials: Option<Credentials>,
    hello: ClientId,
    from: Mailbox,
    timeout: Duration,
    permits: Semaphore,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

impl Smtp {
    /// A transport that sends as `from`. Nothing is connected yet.
    pub fn new(config: &SmtpConfig, from: Mailbox) -> Result<Self, SmtpConfigError> {
        let credentials = match (&config.username, &config.password) {
            (Some(_), Some(_)) if config.tls == TlsMode::None => return Err(SmtpConfigError::PasswordInTheClear),
            (Some(username), Some(password)) => {
                Some(Credentials::new(username.clone(), password.expose_secret().to_owned()))
            }
            (None, None) => None,
            _ => return Err(SmtpConfigError::HalfCredentials),
        };
        Ok(Self {
            host: config.host.clone(),
            port: config.port.unwrap_or(match config.tls {
                TlsMode::Starttls => 587,
                TlsMode::Tls => 465,
                TlsMode::None => 25,
            }),
            mode: config.tls,
            tls: tls(config)?,
            credentials,
            hello: ClientId::Domain(from.email.domain().to_owned()),
            from,
            timeout: Duration::from_secs(config.timeout_seconds.max(1)),
            permits: Semaphore::new(config.connections.max(1) as usize),
            idle: Mutex::new(Vec::new()),
        })
    }

    async fn deliver(&self, mime: &MimeMessage) -> Result<(), Error> {
        let mut connection = match self.take_idle().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        connection.send(mime.envelope(), &mime.formatted()).await?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((connection, Instant::now()));
        Ok(())
    }

    /// An open connection that still answers.
    async fn take_idle(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let mut connection = self.newest_idle()?;
            if connection.test_connected().await {
                return Some(connection);
            }
        }
    }

    fn newest_idle(&self) -> Option<AsyncSmtpConnection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since)| since.elapsed() < IDLE_MAX);
        idle.pop().map(|(connection, _)| connection)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let wrapped = if self.mode == TlsMode::Tls { self.tls.clone() } else { None };
        let server = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(self.timeout), &self.hello, wrapped, None).await?;
        if let (TlsMode::Starttls, Some(tls)) = (self.mode, &self.tls) {
            // Fails if the server does not offer it: nothing is sent in the clear.
            connection.starttls(tls.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await?;
        }
        Ok(connection)
    }

    fn mime(&self, mail: &Mail) -> Result<MimeMessage, SendError> {
        let Mail { message, content, at } = mail;
        if content.subject.chars().any(char::is_control) {
            return Err(SendError::Permanent("the subject contains a control character".to_owned()));
        }
        let recipient: Address = message
            .recipient
            .parse()
            .map_err(|error| SendError::Permanent(format!("the recipient is not a mail address: {error}")))?;
        let (mail_id, domain) = (message.mail_id(), self.from.email.domain());
        let body = MultiPart::alternative()
            .boundary(format!("=_{mail_id}"))
            .singlepart(SinglePart::plain(content.text.clone()))
            .singlepart(SinglePart::html(content.html.clone()));
        MimeMessage::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, recipient))
            .subject(&content.subject)
            .date(SystemTime::from(*at))
            .message_id(Some(format!("<{mail_id}@{domain}>")))
            .raw_header(raw_header("Auto-Submitted", "auto-generated"))
            .raw_header(raw_header("Content-Language", message.locale.tag()))
            .multipart(body)
            .map_err(|error| SendError::Permanent(format!("the mail cannot be written: {error}")))
    }
}

#[async_trait]
impl MailTransport for Smtp {
    async fn send(&self, mail: &Mail) -> Result<(), SendError> {
        let mime = self.mime(mail)?;
        let _permit = self.permits.acquire().await;
        match tokio::time::timeout(self.timeout, self.deliver(&mime)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(classify(&error)),
            Err(_elapsed) => Err(SendError::Transient("the SMTP server did not finish in time".to_owned())),
        }
    }
}

fn tls(config: &SmtpConfig) -> Result<Option<TlsParameters>, SmtpConfigError> {
    if config.tls == TlsMode::None {
        return Ok(None);
    }
    let mut parameters = TlsParameters::builder(config.host.clone());
    if let Some(path) = &config.ca_file {
        let unusable = |error: &dyn std::fmt::Display| {
            SmtpConfigError::Authority(format!("{} cannot be used: {error}", path.display()))
        };
        let pem = std::fs::read(path).map_err(|error| unusable(&error))?;
        let authority = Certificate::from_pem(&pem).map_err(|error| unusable(&error))?;
        parameters = parameters.add_root_certificate(authority);
    }
    parameters.build_rustls().map(Some).map_err(SmtpConfigError::Tls)
}

/// 5yz is final, except where it is about our credentials: those an operator repairs, and the mails
/// wait (RFC 4954 §6).
fn classify(error: &Error) -> SendError {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !reason.contains(&cause_text) {
            reason = format!("{reason}: {cause_text}");
        }
        source = cause.source();
    }
    let about_credentials = error.status().is_some_and(|code| matches!(u16::from(code), 530 | 534 | 535 | 538));
    if error.is_permanent() && !about_credentials { SendError::Permanent(reason) } else { SendError::Transient(reason) }
}

fn raw_header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}
