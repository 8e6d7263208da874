//! The SMTP transport against a real server, which `dev/servers/smtpsink.sh` starts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use contracts::{Locale, event::EventId, notification::MessageId};
use jiff::Timestamp;
use notification_service::{
    SmtpConfig, SmtpConfigError, TlsMode,
    message::{Channel, Content, Kind, Message, State},
    transport::{Mail, MailTransport as _, SendError, smtp::Smtp},
};

struct Sink {
    server: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Sink {
    /// Starts a server and waits until it listens. The first start installs it.
    async fn start(mode: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dev/servers/smtpsink.sh");
        let mut command = Command::new(script);
        command.arg("run").arg(folder.path()).args(Some(mode).filter(|mode| *mode == "tls"));
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut server = command.stdin(Stdio::null()).stderr(log).spawn().unwrap();
        let listening = async {
            loop {
                if let Ok(port) = std::fs::read_to_string(folder.path().join("port")) {
                    return port.parse().unwrap();
                }
                if server.try_wait().unwrap().is_some() {
                    let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
                    panic!("the SMTP server ended before it listened: {log}");
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let port = tokio::time::timeout(Duration::from_secs(120), listening).await.unwrap();
        Self { server, folder, port }
    }

    fn config(&self) -> SmtpConfig {
        SmtpConfig {
            host: "localhost".to_owned(),
            port: Some(self.port),
            username: None,
            password: None,
            tls: TlsMode::None,
            ca_file: None,
            timeout_seconds: 5,
            connections: 2,
        }
    }

    fn mails(&self) -> Vec<serde_json::Value> {
        let lines = std::fs::read_to_string(self.folder.path().join("mails.jsonl")).unwrap_or_default();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn transport(config: &SmtpConfig) -> Smtp {
    Smtp::new(config, "장터 <shop@example.com>".parse().unwrap()).unwrap()
}

fn mail(recipient: &str) -> Mail {
    let at: Timestamp = "2026-11-22T05:30:00Z".parse().unwrap();
    let message = Message {
        id: MessageId::from(uuid::Uuid::from_u128(7)),
        event_id: EventId::from(uuid::Uuid::from_u128(1)),
        kind: Kind::OrderConfirmed,
        channel: Channel::Email,
        recipient: recipient.to_owned(),
        locale: Locale::Ko,
        about: "ord_00000000000000000000000000000001".to_owned(),
        subject: "주문이 확정되었습니다".to_owned(),
        state: State::Sending,
        sends: 1,
        attempts: 1,
        job_id: EventId::from(uuid::Uuid::from_u128(2)),
        last_error: None,
        created_at: at,
        updated_at: at,
        sent_at: None,
    };
    let text = "합계: ₩12,900\n.\n한 줄에 점 하나".to_owned();
    let html = format!("<p>합계: ₩12,900</p>{}", "긴 줄 ".repeat(400));
    Mail { content: Content { subject: message.subject.clone(), text, html }, message, at }
}

#[tokio::test]
async fn a_mail_arrives_whole_and_every_attempt_has_the_same_message_id() {
    let sink = Sink::start("plain").await;
    let smtp = transport(&sink.config());
    let sent = mail("haneul@example.com");
    smtp.send(&sent).await.unwrap();
    smtp.send(&sent).await.unwrap();
    let mails = sink.mails();
    assert_eq!(mails.len(), 2);
    let headers = &mails[0]["headers"];
    assert_eq!(mails[0]["to"], serde_json::json!(["haneul@example.com"]));
    assert_eq!(mails[0]["from"], "shop@example.com");
    assert_eq!(headers["Subject"], "주문이 확정되었습니다");
    assert_eq!(headers["From"], "장터 <shop@example.com>");
    assert_eq!(headers["Message-ID"], "<msg_00000000000000000000000000000007.1@example.com>");
    assert_eq!(headers["Message-ID"], mails[1]["headers"]["Message-ID"]);
    assert_eq!(headers["Auto-Submitted"], "auto-generated");
    assert_eq!(headers["Date"], "Sun, 22 Nov 2026 05:30:00 +0000");
    assert_eq!(mails[0]["text"].as_str().unwrap().trim_end().replace("\r\n", "\n"), sent.content.text);
    assert_eq!(mails[0]["html"].as_str().unwrap().trim_end(), sent.content.html.trim_end());
}

#[tokio::test]
async fn a_refusal_for_good_is_permanent_and_a_delay_is_not() {
    let sink = Sink::start("plain").await;
    let smtp = transport(&sink.config());
    let refused = smtp.send(&mail("permanent@example.com")).await.unwrap_err();
    assert!(matches!(&refused, SendError::Permanent(reason) if reason.contains("no such user")), "{refused:?}");
    let delayed = smtp.send(&mail("transient@example.com")).await.unwrap_err();
    assert!(matches!(&delayed, SendError::Transient(reason) if reason.contains("greylisted")), "{delayed:?}");
    smtp.send(&mail("transient@example.com")).await.unwrap();
    assert_eq!(sink.mails().len(), 1);
}

#[tokio::test]
async fn a_silent_server_and_no_server_are_tried_again() {
    let sink = Sink::start("plain").await;
    let config = SmtpConfig { timeout_seconds: 1, ..sink.config() };
    let smtp = transport(&config);
    smtp.send(&mail("haneul@example.com")).await.unwrap();
    let silent = smtp.send(&mail("slow@example.com")).await.unwrap_err();
    assert!(matches!(silent, SendError::Transient(_)), "{silent:?}");
    let refused = smtp.send(&mail("permanent@example.com")).await;
    assert!(matches!(refused, Err(SendError::Permanent(_))), "an answer that came late is not taken for another's");
    assert_eq!(sink.mails().len(), 1);
    drop(sink);
    let gone = transport(&config).send(&mail("haneul@example.com")).await.unwrap_err();
    assert!(matches!(gone, SendError::Transient(_)), "{gone:?}");
}

#[tokio::test]
async fn what_would_break_a_header_never_leaves() {
    let sink = Sink::start("plain").await;
    let smtp = transport(&sink.config());
    let mut injected = mail("haneul@example.com");
    injected.content.subject = "Hello\r\nBcc: everybody@example.com".to_owned();
    assert!(matches!(smtp.send(&injected).await, Err(SendError::Permanent(_))));
    for recipient in ["", "nobody", "a@b\r\nBcc: c@d.example", "a@example.com, b@example.com", "<a@example.com>"] {
        let outcome = smtp.send(&mail(recipient)).await;
        assert!(matches!(outcome, Err(SendError::Permanent(_))), "{recipient:?}: {outcome:?}");
    }
    assert!(sink.mails().is_empty());
}

#[tokio::test]
async fn starttls_protects_mail_and_password_and_never_falls_back() {
    let sink = Sink::start("tls").await;
    let encrypted = SmtpConfig {
        tls: TlsMode::Starttls,
        username: Some("shop".to_owned()),
        password: Some("secret".into()),
        ca_file: Some(sink.folder.path().join("ca.pem")),
        ..sink.config()
    };
    transport(&encrypted).send(&mail("haneul@example.com")).await.unwrap();
    assert_eq!(sink.mails()[0]["tls"], true);

    let wrong_password = SmtpConfig { password: Some("wrong".into()), ..encrypted.clone() };
    let outcome = transport(&wrong_password).send(&mail("haneul@example.com")).await;
    let about_credentials = |reason: &str| reason.contains("535");
    assert!(
        matches!(&outcome, Err(SendError::Transient(reason)) if about_credentials(reason)),
        "an operator repairs credentials: {outcome:?}"
    );

    let stranger = SmtpConfig { ca_file: None, ..encrypted.clone() };
    let outcome = transport(&stranger).send(&mail("haneul@example.com")).await;
    assert!(matches!(outcome, Err(SendError::Transient(_))), "an unknown authority is refused: {outcome:?}");

    let plain = Sink::start("plain").await;
    let outcome = transport(&SmtpConfig { port: Some(plain.port), ..encrypted }).send(&mail("a@example.com")).await;
    assert!(matches!(outcome, Err(SendError::Transient(_))), "no STARTTLS, no mail: {outcome:?}");
    assert_eq!(sink.mails().len() + plain.mails().len(), 1);
}

#[test]
fn settings_that_leak_or_miss_something_are_refused() {
    let config = SmtpConfig {
        host: "localhost".to_owned(),
        port: None,
        username: Some("shop".to_owned()),
        password: None,
        tls: TlsMode::Starttls,
        ca_file: None,
        timeout_seconds: 5,
        connections: 2,
    };
    let refusal = |config: &SmtpConfig| Smtp::new(config, "shop@example.com".parse().unwrap()).err().unwrap();
    assert!(matches!(refusal(&config), SmtpConfigError::HalfCredentials));
    let readable = SmtpConfig { password: Some("secret".into()), tls: TlsMode::None, ..config.clone() };
    assert!(matches!(refusal(&readable), SmtpConfigError::PasswordInTheClear));
    assert!(!format!("{readable:?}").contains("secret"));
    let no_file = SmtpConfig { username: None, ca_file: Some("/nonexistent.pem".into()), ..config };
    assert!(matches!(refusal(&no_file), SmtpConfigError::Authority(_)));
}
