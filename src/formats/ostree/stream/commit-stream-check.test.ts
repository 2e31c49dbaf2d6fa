import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ByteString } from '#base/bytes';
import type { ObjectId, OstreeChecksum } from '#base/digest';
import {
  buildStream,
  EXPECTED_STREAMS,
  repositoryOf,
} from '../../../../test/support/ostree-streams.ts';
import {
  CommitStream,
  CommitStreamBuilder,
  type CommitStreamContent,
  checkCommitStream,
  computeMetadataChecksum,
  encodeCommit,
  encodeDirmeta,
  encodeDirtree,
  STREAM_FINDINGS,
  type StreamFindingCode,
} from '../index.ts';

const KEY = 'mini/r-archive:test/v1';
const COMMIT = EXPECTED_STREAMS[KEY]?.commit as OstreeChecksum;

function built(): CommitStreamBuilder {
  return buildStream(repositoryOf(KEY), COMMIT, 'sha256');
}

function findings({ content, objectRefs }: CommitStreamContent): StreamFindingCode[] {
  const stream = new CommitStream(content, objectRefs);
  const codes = checkCommitStream(stream, { algorithm: 'sha256' }).map(({ code }) => code);
  return [...new Set(codes)];
}

/** The encoded stream after a change; `at` has the offsets of its info and content areas. */
function damaged(
  change: (view: DataView, at: { readonly info: number; readonly content: number }) => void,
): CommitStreamContent {
  const { content, objectRefs } = built().encode(COMMIT);
  const size = new CommitStream(content, objectRefs).size;
  const info = 1032 + size * 32;
  change(new DataView(content.buffer), { info, content: info + size * 12 });
  return { content, objectRefs };
}

/** Index and content offset of the first object for which `wanted` holds. */
function find(wanted: (stream: CommitStream, index: number) => boolean): number {
  const { content, objectRefs } = built().encode(COMMIT);
  const stream = new CommitStream(content, objectRefs);
  for (let index = 0; index < stream.size; index++) if (wanted(stream, index)) return index;
  throw new Error('no such object');
}

test('streams that composefs-ostree wrote have no findings, for both hash algorithms', () => {
  for (const [key, { commit }] of Object.entries(EXPECTED_STREAMS)) {
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const { content, objectRefs } = buildStream(repositoryOf(key), commit, algorithm).encode(
        commit,
      );
      const stream = new CommitStream(content, objectRefs);
      assert.deepEqual(checkCommitStream(stream, { algorithm }), [], `${key} ${algorithm}`);
    }
  }
});

const isMetadata = (stream: CommitStream, index: number): boolean =>
  stream.at(index).data.length === 12;
const isExternal = (stream: CommitStream, index: number): boolean =>
  stream.at(index).external !== undefined;

test('a changed byte of metadata or of an inline file is reported', () => {
  const meta = find(isMetadata);
  const inMeta = damaged((view, { info, content }) => {
    const at = content + view.getUint32(info + meta * 12, true) * 8;
    view.setUint8(at + 3, 9);
  });
  assert.deepEqual(findings(inMeta), ['CHECKSUM_MISMATCH']);
  const last = built().size - 1;
  const inFile = damaged((view, { info, content }) => {
    for (let index = last; ; index--) {
      const at = content + view.getUint32(info + index * 12, true) * 8;
      const length = view.getUint32(info + index * 12 + 4, true);
      const header = 8 + view.getUint32(at, false);
      const isInline = view.getUint32(info + index * 12 + 8, true) === 0xffffffff;
      if (view.getUint32(at + 4) !== 0 || !isInline || length <= header || header > 60) continue;
      view.setUint8(at + length - 1, view.getUint8(at + length - 1) ^ 1);
      return;
    }
  });
  assert.deepEqual(findings(inFile), ['CHECKSUM_MISMATCH']);
});

test('non-zero padding, gaps and trailing bytes are reported', () => {
  const commit = find((stream, index) => stream.at(index).data.length % 8 !== 0);
  const padded = damaged((view, { info, content }) => {
    const at = content + view.getUint32(info + commit * 12, true) * 8;
    view.setUint8(at + view.getUint32(info + commit * 12 + 4, true), 1);
  });
  assert.deepEqual(findings(padded), ['PADDING']);
  const { content, objectRefs } = built().encode(COMMIT);
  const longer = new Uint8Array(content.length + 8);
  longer.set(content);
  assert.deepEqual(findings({ content: longer, objectRefs }), ['CONTENT_GAP']);
});

test('an unreachable object and a missing object are reported', () => {
  const extra = built();
  extra.addMetadata('ff'.repeat(32) as OstreeChecksum, new Uint8Array(12));
  assert.deepEqual(findings(extra.encode(COMMIT)), ['OBJECT_UNREACHABLE']);
  const { content, objectRefs } = built().encode(COMMIT);
  const stream = new CommitStream(content, objectRefs);
  const partial = new CommitStreamBuilder();
  const skipped = find(isExternal);
  for (let index = 0; index < stream.size; index++) {
    const { checksum, data, external } = stream.at(index);
    if (index === skipped) continue;
    if (external === undefined) partial.addMetadata(checksum, data);
    else partial.addExternalFile(checksum, data, external);
  }
  assert.deepEqual(findings(partial.encode(COMMIT)), ['OBJECT_MISSING']);
});

test('external objects that are unsorted, unused, or used for a small file are reported', () => {
  const { content, objectRefs } = built().encode(COMMIT);
  const spare = 'ee'.repeat(32) as ObjectId;
  assert.deepEqual(findings({ content, objectRefs: [...objectRefs, spare] }), ['EXTERNAL_UNUSED']);
  const first = find(isExternal);
  const reordered = damaged((view, { info }) => {
    view.setUint32(info + first * 12 + 8, 1, true);
  });
  assert.ok(findings(reordered).some((code) => code.startsWith('EXTERNAL_')));
  const small = damaged((view, { info, content: at }) => {
    const object = at + view.getUint32(info + first * 12, true) * 8;
    view.setBigUint64(object + 8, 10n, false);
  });
  assert.deepEqual(findings(small), ['INLINE_LIMIT']);
});

test('a file whose inline content differs in size from its header is reported', () => {
  const file = find((stream, index) => {
    const { data } = stream.at(index);
    return data.length > 45 && data[4] === 0 && data[15] === 64;
  });
  const longer = damaged((view, { info, content }) => {
    view.setUint8(content + view.getUint32(info + file * 12, true) * 8 + 15, 63);
  });
  assert.deepEqual(findings(longer), ['CONTENT_SIZE']);
});

test('an id used as two types, and an object that breaks the rules of its type, are reported', () => {
  const builder = new CommitStreamBuilder();
  const meta = encodeDirmeta({ uid: 0, gid: 0, mode: 0o40755, xattrs: [] });
  const metaId = computeMetadataChecksum(meta);
  const files = [{ name: 'f' as ByteString, checksum: metaId }];
  const tree = encodeDirtree({ files, directories: [] });
  const commit = encodeCommit({
    metadata: [],
    parent: undefined,
    related: [],
    subject: '',
    body: '',
    timestampSec: 0n,
    rootTree: computeMetadataChecksum(tree),
    rootMeta: metaId,
  });
  for (const bytes of [meta, tree, commit]) {
    builder.addMetadata(computeMetadataChecksum(bytes), bytes);
  }
  const found = findings(builder.encode(computeMetadataChecksum(commit)));
  assert.deepEqual(found, ['KIND_CONFLICT', 'OBJECT_INVALID']);
});

test('every finding has a description', () => {
  for (const sentence of Object.values(STREAM_FINDINGS)) assert.match(sentence, /^[a-z].*[a-z]$/);
});
