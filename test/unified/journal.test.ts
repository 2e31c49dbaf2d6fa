import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isMessageId } from '#formats/journal';
import { fieldsOf, journalListener, MESSAGE_IDS, type UnifiedEvent } from '#work/unify';
import { needs } from '../support/capability.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const EVENT: UnifiedEvent = {
  name: 'pullDone',
  priority: 'notice',
  message: 'Pulled image: docker://quay.io/os:1',
  fields: {
    BOOTC_IMAGE_REFERENCE: 'docker://quay.io/os:1',
    REFLINKED: 3,
    BOOTC_OSTREE_COMMIT: undefined,
  },
};
const RECEIVER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
sys.stdout.write(s.recv(65536).decode())
`;

test('every message has its own id that journald accepts, and the catalogue has them all', () => {
  const ids = Object.values(MESSAGE_IDS);
  for (const id of ids) assert.ok(isMessageId(id), id);
  assert.equal(new Set(ids).size, ids.length);
  const catalog = readFileSync(
    new URL('../../packaging/catalog/onecopy.catalog', import.meta.url),
    'utf8',
  );
  const explained = [...catalog.matchAll(/^-- ([0-9a-f]{32})$/gm)].map((found) => found[1]);
  assert.deepEqual(explained, [MESSAGE_IDS.repaired, MESSAGE_IDS.copied]);
});

test('an event is written to the socket and to the file with its fields (C)', async (t) => {
  if (!needs(t, 'tool:python3')) return;
  using temp = makeTempDir();
  const [socket, file] = [join(temp.path, 'socket'), join(temp.path, 'file')];
  const child = spawn('python3', ['-c', RECEIVER, socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  let said = '';
  const bound = new Promise<void>((resolve) => {
    child.stdout.on('data', (piece: Buffer) => {
      said += piece;
      resolve();
    });
  });
  await bound;
  journalListener({ socket, file })(EVENT);
  await ended;
  const expected = fieldsOf(EVENT)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
  assert.equal(said, `bound\n${expected}`);
  assert.match(expected, /^MESSAGE_ID=7e957f234eaa4933911c79921141f036$/m);
  assert.match(expected, /^REFLINKED=3$/m);
  assert.doesNotMatch(expected, /BOOTC_OSTREE_COMMIT/);
  const written = readFileSync(file, 'utf8');
  assert.match(written, /^__REALTIME_TIMESTAMP=\d{16}\n/);
  assert.equal(written.slice(written.indexOf('\n') + 1), `${expected}\n`);
});

test('a missing journal causes no failure (C)', () => {
  journalListener({ socket: '/nonexistent/socket', file: '/nonexistent/file' })(EVENT);
  journalListener({})(EVENT);
});
