"""The server behind smtpsink.sh."""

import asyncio
import email
import email.policy
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

folder, mode = sys.argv[1], sys.argv[2]
seen_transient = set()


class Sink:
    async def handle_RCPT(self, server, session, envelope, address, options):
        user = address.split("@")[0]
        if user == "permanent":
            return "550 5.1.1 no such user"
        if user == "transient" and address not in seen_transient:
            seen_transient.add(address)
            return "451 4.7.1 greylisted, come back later"
        if user == "slow":
            await asyncio.sleep(30)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        part = lambda kind: message.get_body((kind,)).get_content()
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None,
            "headers": {name: str(value) for name, value in message.items()},
            "text": part("plain"),
            "html": part("html"),
        }
        with open(os.path.join(folder, "mails.jsonl"), "a", encoding="utf-8") as file:
            file.write(json.dumps(mail, ensure_ascii=False) + "\n")
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=data.password == b"secret", handled=False)


async def main():
    options = {"hostname": "sink", "enable_SMTPUTF8": True}
    if mode == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(folder, "ca.pem"), os.path.join(folder, "key.pem"))
        options.update(tls_context=context, require_starttls=True, authenticator=authenticate, auth_required=True)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Sink(), loop=loop, **options), "127.0.0.1", int(os.environ.get("SMTPSINK_PORT", "0")))
    port = server.sockets[0].getsockname()[1]
    partial = os.path.join(folder, "port.partial")
    with open(partial, "w") as file:
        file.write(str(port))
    os.rename(partial, os.path.join(folder, "port"))
    await server.serve_forever()


asyncio.run(main())
