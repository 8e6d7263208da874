//! Sends mails to an SMTP server, over connections that are kept open.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport as _, Message as MimeMessage, Tokio1Executor,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::{
        Error, PoolConfig,
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

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
    /// Seconds that a command may take, and a connection to open.
    #[serde(default = "timeout_seconds")]
    pub timeout_seconds: u64,
    /// Connections at once.
    #[serde(default = "connections")]
    pub connections: u32,
}

fn timeout_seconds() -> u64 {
    20
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

/// A pool of SMTP connections.
pub struct Smtp {
    connections: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    timeout: Duration,
}

impl Smtp {
    /// A transport that sends as `from`. Nothing is connected yet.
    pub fn new(config: &SmtpConfig, from: Mailbox) -> Result<Self, SmtpConfigError> {
        let timeout = Duration::from_secs(config.timeout_seconds.max(1));
        let port = config.port.unwrap_or(match config.tls {
            TlsMode::Starttls => 587,
            TlsMode::Tls => 465,
            TlsMode::None => 25,
        });
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.host)
            .port(port)
            .tls(tls(config)?)
            .timeout(Some(timeout))
            .pool_config(PoolConfig::new().max_size(config.connections.max(1)).idle_timeout(Duration::from_secs(60)));
        match (&config.username, &config.password) {
            (Some(_), Some(_)) if config.tls == TlsMode::None => return Err(SmtpConfigError::PasswordInTheClear),
            (Some(username), Some(password)) => {
                let password = password.expose_secret().to_owned();
                builder = builder.credentials(Credentials::new(username.clone(), password));
            }
            (None, None) => {}
            _ => return Err(SmtpConfigError::HalfCredentials),
        }
        Ok(Self { connections: builder.build(), from, timeout })
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
        // Commands time out one by one; a server that trickles could still hold the worker for ever.
        match tokio::time::timeout(self.timeout * 4, self.connections.send(mime)).await {
            Ok(Ok(_accepted)) => Ok(()),
            Ok(Err(error)) => Err(classify(&error)),
            Err(_elapsed) => Err(SendError::Transient("the SMTP server did not finish in time".to_owned())),
        }
    }
}

fn tls(config: &SmtpConfig) -> Result<Tls, SmtpConfigError> {
    if config.tls == TlsMode::None {
        return Ok(Tls::None);
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
    let parameters = parameters.build_rustls().map_err(SmtpConfigError::Tls)?;
    Ok(match config.tls {
        TlsMode::Tls => Tls::Wrapper(parameters),
        TlsMode::Starttls | TlsMode::None => Tls::Required(parameters),
    })
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
