"""What IMAPClient (PyPI) does with a mailbox, without a complaint.

Usage: imapclient_session.py HOST IMAPS-PORT CERTIFICATE USER PASSWORD
Exits 0 if everything was as it must be.
"""

import datetime
import ssl
import sys

from imapclient import IMAPClient
from imapclient.exceptions import CapabilityError, LoginError

host, port, certificate, user, password = sys.argv[1:]
context = ssl.create_default_context(cafile=certificate)
LETTER = (
    b"From: =?utf-8?q?J=C3=BCrgen?= <j@example.net>\r\nTo: bob@example.org\r\n"
    b"Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\nDate: Mon, 2 Nov 2026 10:00:00 +0100\r\n"
    b"Message-ID: <1@example.net>\r\n\r\nhello\r\n"
)

with IMAPClient(host, int(port), ssl_context=context) as refused:
    try:
        refused.login(user, "wrong")
        raise SystemExit("a wrong password was taken")
    except LoginError as error:
        assert "AUTHENTICATIONFAILED" in str(error), error

with IMAPClient(host, int(port), ssl_context=context) as imap:
    imap.plain_login(user, password)
    assert imap.has_capability("IDLE") and imap.has_capability("MOVE")
    assert b"Mailkeep" in imap.id_({"name": "imapclient"})[0]
    namespace = imap.namespace()
    assert namespace.personal == (("", "/"),), namespace
    sent = imap.find_special_folder(b"\\Sent")
    assert sent == "Sent", sent

    # Names travel in modified UTF-7 and come back as they were.
    for name in ("Grüße", "Grüße/日本", "a&b"):
        imap.create_folder(name)
        imap.subscribe_folder(name)
        assert imap.folder_exists(name), name
    names = {name for _, _, name in imap.list_folders()}
    assert {"Grüße", "Grüße/日本", "a&b"} <= names, names
    assert "a&b" in {name for _, _, name in imap.list_sub_folders()}

    when = datetime.datetime(2026, 11, 2, 9, 0, tzinfo=datetime.timezone.utc)
    assert b"APPENDUID" in imap.append("a&b", LETTER, [b"\\Seen"], when)
    assert b"APPENDUID" in imap.append("a&b", LETTER + b"again\r\n", [], when)
    selected = imap.select_folder("a&b")
    assert selected[b"EXISTS"] == 2 and b"\\*" in selected[b"PERMANENTFLAGS"], selected
    assert imap.search(["UNSEEN"]) == [2]
    assert imap.search(["SUBJECT", "Grüße"], charset="UTF-8") == [1, 2]
    assert imap.search(["NOT", ["BODY", "again"]]) == [1]
    fetched = imap.fetch([1, 2], ["ENVELOPE", "INTERNALDATE", "RFC822.SIZE", "BODYSTRUCTURE", "BODY.PEEK[]"])
    assert fetched[1][b"BODY[]"] == LETTER and fetched[1][b"RFC822.SIZE"] == len(LETTER)
    assert fetched[1][b"ENVELOPE"].from_[0].mailbox == b"j", fetched[1]
    assert fetched[1][b"BODYSTRUCTURE"][0].lower() == b"text", fetched[1]
    assert set(imap.add_flags([1, 2], [b"\\Flagged", "work"])[2]) >= {b"\\Flagged", b"work"}
    assert set(imap.get_flags([1])[1]) >= {b"\\Seen", b"\\Flagged", b"work"}
    assert imap.remove_flags([1], [b"\\Seen"])[1].count(b"\\Seen") == 0
    imap.copy([1], "Grüße")
    imap.move([2], "Grüße/日本")
    assert imap.search() == [1]
    assert imap.folder_status("Grüße/日本", ["MESSAGES", "UNSEEN"]) == {b"MESSAGES": 1, b"UNSEEN": 1}

    # What has changed since a moment that the client remembers.
    assert imap.has_capability("CONDSTORE") and imap.has_capability("QRESYNC")
    since = imap.folder_status("Grüße", ["HIGHESTMODSEQ"])[b"HIGHESTMODSEQ"]
    with IMAPClient(host, int(port), ssl_context=context) as other:
        other.login(user, password)
        assert set(other.enable("CONDSTORE", "QRESYNC")) >= {b"QRESYNC"}
        assert other.select_folder("Grüße")[b"HIGHESTMODSEQ"] == since
        assert other.append("Grüße", LETTER) and other.noop()
        changed = other.fetch("1:*", ["FLAGS"], ["CHANGEDSINCE %d" % since])
        assert list(changed) == [2] and changed[2][b"MODSEQ"][0] > since, changed
        assert other.search(["MODSEQ", str(since + 1)]).modseq == changed[2][b"MODSEQ"][0]
        other.delete_messages([2])
        other.expunge()

    # The order and the threads are the server's; two letters come in one command.
    for capability in ("SORT", "THREAD=REFERENCES", "THREAD=ORDEREDSUBJECT", "OBJECTID", "SAVEDATE", "PREVIEW"):
        assert imap.has_capability(capability), capability
    imap.create_folder("Talk")
    answer = LETTER.replace(b"<1@", b"<2@").replace(b"Subject: ", b"Subject: Re: ").replace(b"2 Nov", b"4 Nov")
    answer = b"In-Reply-To: <1@example.net>\r\n" + answer
    other = b"From: zoe@example.net\r\nSubject: Anderes\r\nDate: 3 Nov 2026 10:00:00 +0100\r\n\r\nshort\r\n"
    imap.multiappend("Talk", [{"msg": answer, "flags": [b"\\Seen"]}, {"msg": other, "date": when}])
    imap.append("Talk", LETTER, [], when - datetime.timedelta(days=1))
    assert imap.select_folder("Talk")[b"EXISTS"] == 3
    assert imap.sort("DATE") == [3, 2, 1] and imap.sort("REVERSE DATE") == [1, 2, 3]
    assert imap.sort(["ARRIVAL"]) == [3, 2, 1] and imap.sort(["FROM", "REVERSE SIZE"]) == [1, 3, 2]
    assert imap.sort(["SUBJECT", "DATE"]) == [2, 3, 1], imap.sort(["SUBJECT", "DATE"])
    assert imap.sort("DATE", ["SUBJECT", "Grüße"], "UTF-8") == [3, 1]
    assert imap.thread() == ((3, 1), (2,)), imap.thread()
    assert imap.thread("ORDEREDSUBJECT", ["UNSEEN"]) == ((3,), (2,)), imap.thread("ORDEREDSUBJECT", ["UNSEEN"])
    ids = imap.fetch([1, 2, 3], ["EMAILID", "THREADID", "SAVEDATE", "PREVIEW"])
    assert len({ids[uid][b"EMAILID"] for uid in ids}) == 3 and ids[1][b"THREADID"] == ids[3][b"THREADID"], ids
    assert ids[2][b"PREVIEW"] == b"short" and ids[2][b"THREADID"] != ids[1][b"THREADID"], ids
    assert imap.search(["EMAILID", ids[2][b"EMAILID"][0]]) == [2] and imap.search(["SAVEDBEFORE", "2-Nov-2020"]) == []
    imap.delete_messages([1, 2])
    imap.uid_expunge([2])
    assert imap.search() == [1, 3]
    imap.select_folder("a&b")

    # Another connection's letter wakes the one that waits.
    imap.idle()
    with IMAPClient(host, int(port), ssl_context=context) as other:
        other.login(user, password)
        other.append("a&b", LETTER)
    assert (2, b"EXISTS") in imap.idle_check(timeout=20)
    imap.idle_done()

    imap.delete_messages([1])
    expunged, _ = imap.expunge()
    assert expunged, "an answer in words"
    assert len(imap.search()) == 1
    imap.unselect_folder()
    imap.rename_folder("Grüße", "Ablage")
    assert imap.folder_exists("Ablage/日本") and not imap.folder_exists("Grüße")
    for capability, ask in (("QUOTA", lambda: imap.get_quota("")), ("ACL", lambda: imap.getacl("INBOX"))):
        if not imap.has_capability(capability):
            try:
                ask()
                raise SystemExit(f"{capability} isn't announced, and was taken")
            except CapabilityError:
                pass
    imap.delete_folder("Ablage/日本")
