"""What Python's imaplib does with a mailbox, without a complaint.

Usage: imaplib_session.py HOST IMAPS-PORT IMAP-PORT CERTIFICATE USER PASSWORD
Exits 0 if everything was as it must be.
"""

import imaplib
import ssl
import sys
import time

host, imaps_port, imap_port, certificate, user, password = sys.argv[1:]
context = ssl.create_default_context(cafile=certificate)
LETTER = (
    b"From: Ann <ann@example.net>\r\nTo: Bob <bob@example.org>\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: Mon, 2 Nov 2026 10:00:00 +0100\r\n"
    b"Message-ID: <1@example.net>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    b"Content-Type: text/plain\r\n\r\nhello\r\n--b\r\n"
    b"Content-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n"
)


def ok(answer):
    """The data of an answer that must be OK."""
    kind, data = answer
    assert kind == "OK", answer
    return data


# In the clear a password is refused; after STARTTLS it is taken.
clear = imaplib.IMAP4(host, int(imap_port))
assert "LOGINDISABLED" in clear.capabilities, clear.capabilities
try:
    clear.login(user, password)
    raise SystemExit("a password was taken in the clear")
except imaplib.IMAP4.error as error:
    assert "PRIVACYREQUIRED" in str(error) or "disabled" in str(error).lower(), error
ok(clear.starttls(context))
assert "LOGINDISABLED" not in clear.capabilities, clear.capabilities
ok(clear.login(user, password))
ok(clear.noop())
clear.logout()

try:
    imaplib.IMAP4_SSL(host, int(imaps_port), ssl_context=context).login(user, "wrong")
    raise SystemExit("a wrong password was taken")
except imaplib.IMAP4.error as error:
    assert "AUTHENTICATIONFAILED" in str(error), error

imap = imaplib.IMAP4_SSL(host, int(imaps_port), ssl_context=context)
ok(imap.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode()))
ok(imap.enable("CONDSTORE"))
assert imap.response("ENABLED") == ("ENABLED", [b"CONDSTORE"])
ok(imap.create("Work"))
ok(imap.create("Work/2026"))
ok(imap.subscribe("Work"))
names = b"\n".join(ok(imap.list()))
assert b"INBOX" in names and b"Work/2026" in names and b"\\Sent" in names, names
assert any(b"Work" in line for line in ok(imap.lsub())), imap.lsub()
assert b"NIL" in ok(imap.namespace())[0]

when = imaplib.Time2Internaldate(time.time())
(appended,) = ok(imap.append("Work", r"(\Seen \Flagged)", when, LETTER))
assert b"APPENDUID" in appended, appended
assert ok(imap.status("Work", "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN)"))[0].count(b"MESSAGES 1") == 1
assert ok(imap.select("Work")) == [b"1"]
assert ok(imap.search(None, "SEEN", "FLAGGED", "SINCE", "1-Jan-2020")) == [b"1"]
assert ok(imap.search(None, "FROM", '"ann"', "HEADER", "Message-ID", '"1@example"')) == [b"1"]
assert ok(imap.search(None, "UNSEEN")) == [b""]
assert ok(imap.fetch("1", "(RFC822)"))[0][1] == LETTER
assert ok(imap.fetch("1", "(BODY.PEEK[1])"))[0][1] == b"hello"
assert b"Subject" in ok(imap.fetch("1", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))[0][1]
(envelope,) = ok(imap.fetch("1", "(ENVELOPE)"))
assert b'"ann" "example.net"' in envelope and b"=?utf-8?q?" in envelope, envelope
(structure,) = ok(imap.fetch("1", "(BODYSTRUCTURE)"))
assert b'"application" "pdf"' in structure.lower() and b'"mixed"' in structure.lower(), structure
(stored,) = ok(imap.store("1", "+FLAGS", "(keyword)"))
assert b"keyword" in stored and b"MODSEQ (" in stored, stored
assert b"\\Seen" not in ok(imap.store("1", "-FLAGS", r"(\Seen)"))[0]
ok(imap.uid("COPY", "1", "Work/2026"))
ok(imap.uid("MOVE", "1", "Trash"))
assert ok(imap.search(None, "ALL")) == [b""]
ok(imap.select("Work/2026"))
assert b"\\Flagged" in ok(imap.uid("FETCH", "1", "(FLAGS)"))[0]
ok(imap.store("1", "+FLAGS.SILENT", r"(\Deleted)"))
assert ok(imap.expunge()) == [b"1"]
ok(imap.unselect())
ok(imap.select("Trash", readonly=True))
ok(imap.close())
# imaplib has SORT and THREAD, and parses nothing of them; extensions go by their names.
ok(imap.create("Talk"))
for number, subject in ((1, b"beta"), (2, b"Re: alpha"), (3, b"alpha")):
    named = b"Message-ID: <%d@example.org>\r\nReferences: <3@example.org>\r\nSubject: %s\r\n\r\n" % (number, subject)
    ok(imap.append("Talk", None, imaplib.Time2Internaldate(1000000000 - number), named + b"x" * number + b"\r\n"))
assert ok(imap.select("Talk")) == [b"3"]
assert ok(imap.sort("(ARRIVAL)", "UTF-8", "ALL")) == [b"3 2 1"]
assert ok(imap.sort("SUBJECT REVERSE SIZE", "US-ASCII", "UNDELETED")) == [b"2 3 1"]
assert ok(imap.uid("SORT", "(REVERSE ARRIVAL)", "UTF-8", "SUBJECT", "alpha")) == [b"2 3"]
assert ok(imap.thread("REFERENCES", "UTF-8", "ALL")) == [b"(3 (2)(1))"], imap.thread("REFERENCES", "UTF-8", "ALL")
assert ok(imap.uid("THREAD", "ORDEREDSUBJECT", "UTF-8", "ALL")) == [b"(3 2)(1)"]
ok(imap.close())
ok(imap.rename("Work", "Archive/Old"))
names = b"\n".join(ok(imap.list()))
assert b"Archive/Old/2026" in names and b'"Work"' not in names, names
ok(imap.delete("Archive/Old/2026"))
ok(imap.check() if imap.state == "SELECTED" else imap.noop())
imap.logout()
