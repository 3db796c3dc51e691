// What ImapFlow (npm) does with a mailbox, without a complaint.
//
// Usage: node imapflow_session.mjs HOST IMAPS-PORT CERTIFICATE USER PASSWORD
// Exits 0 if everything was as it must be. ImapFlow uses every extension that it
// knows and that is announced: ENABLE, IDLE, SPECIAL-USE, COMPRESS, BINARY and more.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const { ImapFlow } = createRequire(`${process.env.CLIENTS}/`)('imapflow');
const [host, port, certificate, user, pass] = process.argv.slice(2);
const letter = 'From: Ann <ann@example.net>\r\nTo: bob@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n' +
    'Date: Mon, 2 Nov 2026 10:00:00 +0100\r\nMessage-ID: <1@example.net>\r\nMIME-Version: 1.0\r\n' +
    'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\n' +
    'Content-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n';

const connect = async (password, qresync = false, hear = undefined) => {
    const client = new ImapFlow({
        qresync, host, port: Number(port), secure: true, logger: false, emitLogs: hear !== undefined, disableAutoIdle: true,
        tls: { ca: readFileSync(certificate), checkServerIdentity: () => undefined },
        auth: { user, pass: password },
    });
    client.on('error', error => { throw error; });
    client.on('log', entry => hear?.(entry));
    await client.connect();
    return client;
};

await assert.rejects(connect('wrong'), error => error.authenticationFailed === true);

const imap = await connect(pass);
assert.equal(imap.serverInfo?.name, 'Mailkeep');
const special = new Map((await imap.list()).map(box => [box.specialUse, box.path]));
for (const [use, path] of [['\\Inbox', 'INBOX'], ['\\Sent', 'Sent'], ['\\Trash', 'Trash'], ['\\Drafts', 'Drafts']]) {
    assert.equal(special.get(use), path);
}

assert.equal((await imap.mailboxCreate(['Grüße', '日本'])).created, true);
assert.ok((await imap.list()).some(box => box.path === 'Grüße/日本'));
const appended = await imap.append('Grüße/日本', letter, ['\\Seen'], new Date('2026-11-02T09:00:00Z'));
assert.equal(appended.uid, 1);
assert.ok((await imap.status('Grüße/日本', { messages: true, unseen: true, uidNext: true })).uidNext === 2);

const lock = await imap.getMailboxLock('Grüße/日本');
assert.equal(imap.mailbox.exists, 1);
const one = await imap.fetchOne('1', { uid: true, flags: true, envelope: true, bodyStructure: true, source: true, internalDate: true, size: true });
assert.equal(one.envelope.subject, 'Grüße');
assert.equal(one.source.toString(), letter);
assert.equal(one.size, letter.length);
assert.deepEqual(one.bodyStructure.childNodes.map(part => part.type), ['text/plain', 'application/pdf']);
assert.ok(one.flags.has('\\Seen'));
const attached = await imap.download('1', '2');
const pieces = [];
for await (const piece of attached.content) pieces.push(piece);
assert.deepEqual(Buffer.concat(pieces), Buffer.from('AAAA', 'base64'));
assert.deepEqual(await imap.search({ subject: 'Grüße' }), [1]);
assert.deepEqual(await imap.search({ body: 'hello', seen: true }, { uid: true }), [1]);
assert.equal(await imap.messageFlagsAdd('1', ['\\Flagged', 'work']), true);
const flags = (await imap.fetchOne('1', { flags: true })).flags;
assert.ok(flags.has('work') && flags.has('\\Flagged'));

// Another connection's letter is told of while this one waits.
const told = new Promise(resolve => imap.once('exists', resolve));
const waiting = imap.idle();
const other = await connect(pass);
await other.append('Grüße/日本', letter);
assert.equal((await told).count, 2);
await imap.noop();
await waiting;

// With QRESYNC: SELECT tells what has changed and vanished since the client looked last,
// and what vanishes while it looks has its UID.
const { highestModseq: since, uidValidity } = imap.mailbox;
await other.mailboxOpen('Grüße/日本');
await other.messageFlagsAdd('2', ['later']);
await other.append('Grüße/日本', letter);
await other.messageDelete('3', { uid: true });
const third = await connect(pass, true);
assert.ok(third.enabled.has('QRESYNC'));
const [changed, gone] = [[], []];
third.on('flags', event => changed.push(event));
third.on('expunge', event => gone.push(event));
await third.mailboxOpen('Grüße/日本', { changedSince: since, uidValidity });
assert.deepEqual(changed.map(({ uid }) => uid), [2]);
assert.ok(changed[0].flags.has('later') && changed[0].modseq > since);
assert.deepEqual(gone.map(({ uid, vanished, earlier }) => [uid, vanished, earlier]), [[3, true, true]]);
const found = [];
for await (const message of third.fetch('1:*', { flags: true }, { uid: true, changedSince: since })) found.push(message.uid);
assert.deepEqual(found, [2]);
// It asks for VANISHED as well, of all UIDs that there ever were: 3 once more.
assert.deepEqual(gone.splice(1).map(({ uid, earlier }) => [uid, earlier]), [[3, true]]);
await other.append('Grüße/日本', letter);
await third.noop();
await other.messageDelete('4', { uid: true });
await third.noop();
assert.deepEqual(gone.map(({ uid, vanished, earlier }) => [uid, vanished, earlier])[1], [4, true, false]);
await third.logout();
await imap.noop();

// What ImapFlow makes of other extensions, each of which it would do without in silence:
// so it is looked at what it has said.
const said = [];
const fourth = await connect(pass, true, entry => entry.src === 'c' && said.push(entry.msg));
assert.ok(fourth._inflate, 'COMPRESS');
const [listed] = (await fourth.list({ statusQuery: { messages: true, unseen: true, highestModseq: true } }))
    .filter(box => box.path === 'Grüße/日本');
assert.deepEqual([listed.status.messages, listed.status.unseen], [2, 1]);
assert.ok(said.some(line => / LIST .* RETURN \(.*STATUS/.test(line)) && !said.some(line => /^\w+ STATUS /.test(line)), 'LIST-STATUS');
const open = await fourth.mailboxOpen('Grüße/日本');
assert.equal(listed.status.highestModseq, open.highestModseq);
assert.ok(open.mailboxId, 'OBJECTID');
const byUid = { uid: true };
const ids = await fourth.fetchOne('2', { threadId: true, modseq: true }, byUid);
assert.deepEqual(await fourth.search({ emailId: ids.emailId }, byUid), [2]);
assert.deepEqual(await fourth.search({ threadId: ids.threadId }, byUid), [1, 2]);
assert.deepEqual(await fourth.search({ modseq: ids.modseq }, byUid), [2]);
// Who stores what somebody else has changed meanwhile changes nothing.
await imap.messageFlagsAdd('2', ['meanwhile']);
await fourth.messageFlagsSet('2', ['mine'], { uid: true, unchangedSince: ids.modseq });
const kept = (await fourth.fetchOne('2', { flags: true }, byUid)).flags;
assert.ok(kept.has('meanwhile') && !kept.has('mine'));
const page = await fourth.search({ all: true }, { uid: true, returnOptions: ['MIN', 'COUNT', { partial: '-1:-1' }] });
assert.deepEqual([page.min, page.count, page.partial.messages], [1, 2, '2']);
assert.ok(said.some(line => line.includes('PARTIAL -1:-1')), 'PARTIAL');
await fourth.logout();

const copied = await imap.messageCopy('1', 'Trash');
assert.equal(copied.uidMap.get(1), 1);
const moved = await imap.messageMove('2', 'Trash');
assert.equal(moved.uidMap.get(2), 2);
assert.equal(await imap.messageDelete('1'), true);
assert.equal(imap.mailbox.exists, 0);
lock.release();
await imap.mailboxRename('Grüße', 'Ablage');
assert.equal((await imap.mailboxOpen('Ablage/日本')).mailboxId, open.mailboxId, 'a renamed mailbox is the same');
await imap.mailboxClose();
assert.ok((await imap.list()).some(box => box.path === 'Ablage/日本'));
await imap.mailboxDelete('Ablage/日本');
if (imap.capabilities.has('QUOTA')) assert.ok(await imap.getQuota('INBOX') !== undefined);
await other.logout();
await imap.logout();
