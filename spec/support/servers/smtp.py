"""An SMTP server on smtpd, that keeps what it gets. Prints its port.

Every message is written to the file argv[1] as one line of JSON: from, to, data (as latin-1).
A recipient that begins with "no" is refused.
"""

import asyncore
import json
import smtpd
import sys


class Channel(smtpd.SMTPChannel):
    def smtp_RCPT(self, arg):
        if ':<no' in arg.lower() or ': <no' in arg.lower():
            self.push('550 no such user')
        else:
            super().smtp_RCPT(arg)


class Server(smtpd.SMTPServer):
    channel_class = Channel

    def process_message(self, peer, mailfrom, rcpttos, data, **_):
        with open(sys.argv[1], 'a', encoding='utf-8') as f:
            f.write(json.dumps({'from': mailfrom, 'to': rcpttos, 'data': data.decode('latin-1')}) + '\n')


server = Server(('127.0.0.1', 0), None, enable_SMTPUTF8=False)
print(server.socket.getsockname()[1], flush=True)
asyncore.loop()
