import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { encodeHex } from '#base/bytes';
import { computeVerity } from '#formats/fsverity';
import {
  buildStream,
  EXPECTED_STREAMS,
  repositoryOf,
} from '../../../../test/support/ostree-streams.ts';
import { type CommitStreamContent, encodeCommitStream } from '../index.ts';

const DOC = readFileSync(
  new URL('../../../../docs/formats/ostree-commit-stream.md', import.meta.url),
  'utf8',
);

function streamOf(key: string): CommitStreamContent {
  const commit = EXPECTED_STREAMS[key]?.commit;
  assert.ok(commit);
  return buildStream(repositoryOf(key), commit, 'sha256').encode(commit);
}

interface HexLine {
  readonly offset: number;
  readonly hex: string;
}

/** The lines `offset  bytes  comment` of every code block of a language. */
function hexLines(language: string): HexLine[] {
  const lines: HexLine[] = [];
  for (const [, block = ''] of DOC.matchAll(new RegExp(`\`\`\`${language}\n([^\`]*)\`\`\``, 'g'))) {
    for (const line of block.trimEnd().split('\n')) {
      const match = /^([0-9a-f]{4}) {2}([0-9a-f]{2,8}(?: [0-9a-f]{2,8}){0,3})(?: {2,}\S.*)?$/.exec(
        line,
      );
      assert.ok(match, `a line of the form "offset  bytes  comment": ${line}`);
      lines.push({
        offset: Number.parseInt(match[1] ?? '', 16),
        hex: (match[2] ?? '').replaceAll(' ', ''),
      });
    }
  }
  return lines;
}

function requireSame({ content }: CommitStreamContent, { offset, hex }: HexLine): void {
  const found = encodeHex(content.subarray(offset, offset + hex.length / 2));
  assert.equal(hex, found, `the bytes at ${offset.toString(16)}`);
}

test('the worked example shows every byte of the tiny stream correctly', () => {
  const stream = streamOf('mini/r-tiny-archive:t');
  const shown = new Uint8Array(stream.content.length);
  for (const line of hexLines('hex')) {
    requireSame(stream, line);
    shown.fill(1, line.offset, line.offset + line.hex.length / 2);
  }
  const view = new DataView(stream.content.buffer);
  for (const [, from = '', to = '', value] of DOC.matchAll(
    /^\| ([0-9a-f]{2}) to ([0-9a-f]{2}) \| (\d+) \|$/gm,
  )) {
    for (let bucket = Number.parseInt(from, 16); bucket <= Number.parseInt(to, 16); bucket++) {
      assert.equal(view.getUint32(8 + bucket * 4, true), Number(value), `bucket ${bucket}`);
      shown.fill(1, 8 + bucket * 4, 12 + bucket * 4);
    }
  }
  assert.equal(shown.indexOf(0), -1, 'every byte is shown');
});

test('the example of a large file shows bytes of its stream and its external object correctly', () => {
  const stream = streamOf('mini/r-archive:test/v1');
  const lines = hexLines('hex-large');
  assert.equal(lines.length, 5);
  for (const line of lines) requireSame(stream, line);
  assert.ok(DOC.includes(`\`${stream.objectRefs[8]}\``));
});

test('the ids in the text are those of the splitstream with and without its image', async () => {
  const stream = streamOf('mini/r-tiny-archive:t');
  const expected = EXPECTED_STREAMS['mini/r-tiny-archive:t']?.sha256;
  const id = computeVerity(await encodeCommitStream(stream, { algorithm: 'sha256' }), 'sha256');
  assert.ok(DOC.includes(`\`${id}\` in a SHA-256 repository`));
  assert.ok(DOC.includes(`\`${expected?.stream_after}\``));
  assert.equal(stream.content.length, 1664);
});
