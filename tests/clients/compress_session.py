# Python's imaplib with zlib underneath (RFC 4978): a whole session whose commands and
# answers are compressed by an implementation that isn't ours.
#
# Usage: compress_session.py HOST IMAPS-PORT CERTIFICATE USER PASSWORD
# Exits 0 if everything was as it must be.

import imaplib
import ssl
import sys
import zlib

host, port, certificate, user, password = sys.argv[1:]
imaplib.Commands['COMPRESS'] = ('AUTH', 'SELECTED')


class Compressed(imaplib.IMAP4_SSL):
    """Compresses as soon as `begin` is called; counts bytes on the wire."""

    def begin(self, level):
        self.deflater = zlib.compressobj(level, zlib.DEFLATED, -15)
        self.inflater = zlib.decompressobj(-15)
        self.heard, self.came, self.plain = b'', 0, 0

    def send(self, data):
        if hasattr(self, 'deflater'):
            data = self.deflater.compress(data) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
        super().send(data)

    def _more(self):
        piece = self.sock.recv(65536)
        if not piece:
            raise self.abort('the server has closed')
        inflated = self.inflater.decompress(piece)
        self.heard, self.came = self.heard + inflated, self.came + len(piece)
        self.plain += len(inflated)

    def read(self, size):
        if not hasattr(self, 'deflater'):
            return super().read(size)
        while len(self.heard) < size:
            self._more()
        taken, self.heard = self.heard[:size], self.heard[size:]
        return taken

    def readline(self):
        if not hasattr(self, 'deflater'):
            return super().readline()
        while b'\n' not in self.heard:
            self._more()
        return self.read(self.heard.index(b'\n') + 1)


def session(level):
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    imap = Compressed(host, int(port), ssl_context=context, timeout=60)
    imap.login(user, password)
    assert 'COMPRESS=DEFLATE' in imap.capability()[1][0].decode().split()
    assert imap._simple_command('COMPRESS', 'DEFLATE')[0] == 'OK'
    imap.begin(level)
    assert imap.noop()[0] == 'OK'

    again = imap._simple_command('COMPRESS', 'DEFLATE')
    assert again[0] == 'NO' and again[1][0].startswith(b'[COMPRESSIONACTIVE]'), again

    line = b'Sphinx of black quartz, judge my vow.\r\n'
    letter = b'Subject: large\r\n\r\n' + line * 20000
    assert imap.append('INBOX', None, None, letter)[0] == 'OK'
    assert imap.select()[0] == 'OK'
    number = imap.search(None, 'SUBJECT', 'large')[1][0].split()[-1]
    before = imap.came
    assert imap.fetch(number, '(BODY[])')[1][0][1] == letter
    assert imap.came - before < len(letter) // 10, imap.came - before

    for _ in range(200):
        assert imap.noop()[0] == 'OK'
    assert imap.came < imap.plain, (imap.came, imap.plain)
    assert imap.store(number, '+FLAGS', r'(\Deleted)')[0] == 'OK'
    assert imap.expunge()[0] == 'OK'
    assert imap.logout()[0] == 'BYE'


for level in (0, 1, 9):
    session(level)
