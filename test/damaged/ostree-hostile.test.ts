/**
 * Repositories whose every checksum is right and whose content breaks the rules (OSTree spec 2.4, 2.6, 2.8, 6.3): pulled over HTTP and from
 * the disk, each is accepted, or refused with its code, without a ref or a stream that stays.
 */
import assert from 'node:assert/strict';
import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { deflateRawSync, deflateSync } from 'node:zlib';
import type { OstreeChecksum } from '#base/digest';
import { type ErrorCode, isOnecopyError } from '#base/errors';
import {
  arrayOf,
  BYTES,
  encodeVariant,
  STRING,
  tupleOf,
  UINT64,
  VARIANT_DICT,
  variantOf,
} from '#formats/gvariant';
import { encodeFilez } from '#formats/ostree';
import { checkRepository } from '#stores/composefs';
import { type OstreeAddress, type PullTargets, pullCommits } from '#work/pull-commit';
import { FakeHttp } from '../support/fake-http.ts';
import { makeTempRepository } from '../support/ostree-stored.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';
import {
  big64,
  bytes,
  COMMIT,
  PLAIN,
  type RawFile,
  RawRepo,
  rawDirmeta,
  rawDirtree,
  sum,
  xattr,
  ZERO_SUM,
} from './raw-ostree.ts';

type Expected = ErrorCode | 'accepted';
/** What is wrong, what becomes of it, and how it is made. */
type Case = readonly [name: string, expected: Expected, make: (repo: RawRepo) => void];

const NAMES: readonly Case[] = [
  ...(
    [
      ['', 'OSTREE_NAME_INVALID'],
      ['.', 'OSTREE_NAME_INVALID'],
      ['..', 'OSTREE_NAME_INVALID'],
      ['/', 'OSTREE_NAME_INVALID'],
      ['a/b', 'OSTREE_NAME_INVALID'],
      ['../../etc/passwd', 'OSTREE_NAME_INVALID'],
      ['/etc', 'OSTREE_NAME_INVALID'],
      ['n'.repeat(256), 'OSTREE_NAME_INVALID'],
      ['ü'.repeat(128), 'OSTREE_NAME_INVALID'],
      ['n'.repeat(255), 'accepted'],
      ['...', 'accepted'],
      [' ', 'accepted'],
      ['a\nb', 'accepted'],
      ['-rf', 'accepted'],
      ['\\..\\', 'accepted'],
    ] as const
  ).flatMap(([name, expected]): Case[] => [
    [`a file named ${JSON.stringify(name).slice(0, 30)}`, expected, (r) => r.of([name, r.file])],
    [
      `a directory named ${JSON.stringify(name).slice(0, 30)}`,
      expected,
      (r) => r.commit(r.dirtree([], [[name, r.dirtree([]), r.meta]])),
    ],
  ]),
  [
    'a NUL in a name',
    'GVARIANT_NOT_NORMAL',
    (r) => r.commit(r.metadata('dirtree', patched(r, 'axb', 1, 0))),
  ],
  [
    'a name that is not UTF-8',
    'GVARIANT_NOT_NORMAL',
    (r) => r.commit(r.metadata('dirtree', patched(r, 'axb', 1, 0xff))),
  ],
  [
    'a surrogate in a name',
    'GVARIANT_NOT_NORMAL',
    (r) => r.commit(r.metadata('dirtree', patched(r, '\u{0800}', 0, 0xed))),
  ],
  ['two files of one name', 'OSTREE_NAME_DUPLICATE', (r) => r.of(['a', r.file], ['a', r.file])],
  [
    'two files of one name, apart',
    'OSTREE_NAME_DUPLICATE',
    (r) => r.of(['b', r.file], ['a', r.file], ['b', r.file]),
  ],
  [
    'two directories of one name',
    'OSTREE_NAME_DUPLICATE',
    (r) => {
      const inner = r.dirtree([]);
      r.commit(
        r.dirtree(
          [],
          [
            ['d', inner, r.meta],
            ['d', inner, r.meta],
          ],
        ),
      );
    },
  ],
  [
    'a file and a directory of one name',
    'OSTREE_NAME_DUPLICATE',
    (r) => r.commit(r.dirtree([['a', r.file]], [['a', r.dirtree([]), r.meta]])),
  ],
  ['names that do not ascend', 'accepted', (r) => r.of(['z', r.file], ['a', r.file])],
];

/** A dirtree of one file whose name has one byte replaced. */
function patched(repo: RawRepo, name: string, at: number, byte: number): Uint8Array {
  const tree = Buffer.from(rawDirtree([[name, repo.file]]));
  tree[at] = byte;
  return tree;
}

const SUMS: readonly Case[] = [
  ...[0, 1, 31, 33, 64].flatMap((length): Case[] => {
    const short = new Uint8Array(length);
    const code = 'OSTREE_CHECKSUM_LENGTH';
    return [
      [`a file checksum of ${length} bytes`, code, (r) => r.of(['a', short])],
      [
        `a dirtree checksum of ${length} bytes`,
        code,
        (r) => r.commit(r.dirtree([], [['d', short, r.meta]])),
      ],
      [
        `a dirmeta checksum of ${length} bytes`,
        code,
        (r) => r.commit(r.dirtree([], [['d', r.dirtree([]), short]])),
      ],
      [
        `a root dirtree checksum of ${length} bytes`,
        code,
        (r) => r.commit(ZERO_SUM, { root: short }),
      ],
      [
        `a root dirmeta checksum of ${length} bytes`,
        code,
        (r) => r.commit(r.dirtree([]), { meta: short }),
      ],
      [
        `a related checksum of ${length} bytes`,
        code,
        (r) => r.commit(r.dirtree([]), { related: [['x', short]] }),
      ],
    ];
  }),
  ...[1, 31, 33].map(
    (length): Case => [
      `a parent of ${length} bytes`,
      'OSTREE_CHECKSUM_LENGTH',
      (r) => r.commit(r.dirtree([]), { parent: new Uint8Array(length) }),
    ],
  ),
  [
    'a parent that nobody has',
    'accepted',
    (r) => r.commit(r.dirtree([]), { parent: new Uint8Array(32) }),
  ],
  ['a file that nobody has', 'OSTREE_OBJECT_MISSING', (r) => r.of(['a', ZERO_SUM])],
  ['a root that nobody has', 'OSTREE_OBJECT_MISSING', (r) => r.commit(ZERO_SUM)],
  [
    'a root dirmeta that nobody has',
    'OSTREE_OBJECT_MISSING',
    (r) => r.commit(r.dirtree([]), { rootMeta: ZERO_SUM }),
  ],
  [
    'a dirtree under the checksum of another',
    'OSTREE_CHECKSUM_MISMATCH',
    (r) => r.commit(r.metadata('dirtree', rawDirtree([]), 'a'.repeat(64) as OstreeChecksum)),
  ],
  [
    'a file under the checksum of another',
    'OSTREE_CHECKSUM_MISMATCH',
    (r) => r.of(['a', r.filez(ZERO_SUM, encodeFilez({ ...PLAIN, sizeBytes: 0 }, bytes('')))]),
  ],
  [
    'the root dirtree as its dirmeta',
    'GVARIANT_NOT_NORMAL',
    (r) => {
      const tree = r.dirtree([['a', r.file]]);
      r.metadata('dirmeta', rawDirtree([['a', r.file]]));
      r.commit(tree, { rootMeta: tree });
    },
  ],
  [
    'a dirmeta as a dirtree',
    'GVARIANT_NOT_NORMAL',
    (r) => {
      r.metadata('dirtree', rawDirmeta(0o40755));
      r.commit(r.dirtree([], [['d', r.meta, r.meta]]));
    },
  ],
  [
    'a commit as a dirtree',
    'GVARIANT_NOT_NORMAL',
    (r) => {
      const commit = r.commit(r.dirtree([]), { subject: 'inner' });
      const raw = encodeVariant(
        [[], new Uint8Array(0), [], 'inner', '', big64(1n), sum(r.dirtree([])), sum(r.meta)],
        COMMIT,
      );
      r.metadata('dirtree', raw, commit);
      r.commit(commit);
    },
  ],
  [
    'the empty dirtree as a file',
    'OSTREE_HEADER_INVALID',
    (r) => {
      const empty = r.dirtree([]);
      r.filez(empty, rawDirtree([]));
      r.of(['a', empty]);
    },
  ],
  [
    'a byte behind a dirtree',
    'GVARIANT_NOT_NORMAL',
    (r) =>
      r.commit(r.metadata('dirtree', Buffer.concat([rawDirtree([['a', r.file]]), bytes('x')]))),
  ],
  [
    'a byte behind a dirmeta',
    'GVARIANT_NOT_NORMAL',
    (r) =>
      r.commit(r.dirtree([]), {
        rootMeta: r.metadata('dirmeta', Buffer.concat([rawDirmeta(0o40755), bytes('x')])),
      }),
  ],
  [
    'an empty dirtree object',
    'GVARIANT_NOT_NORMAL',
    (r) => r.commit(r.metadata('dirtree', bytes(''))),
  ],
  [
    'an empty dirmeta object',
    'GVARIANT_NOT_NORMAL',
    (r) => r.commit(r.dirtree([]), { rootMeta: r.metadata('dirmeta', bytes('')) }),
  ],
  [
    'directories deeper than any path',
    'OSTREE_TREE_TOO_LARGE',
    (r) => {
      let tree = r.dirtree([]);
      for (let depth = 0; depth < 1100; depth++) tree = r.dirtree([], [['d', tree, r.meta]]);
      r.commit(tree);
    },
  ],
  [
    'directories that multiply without end',
    'OSTREE_TREE_TOO_LARGE',
    (r) => {
      let tree = r.dirtree([['a', r.file]]);
      for (let depth = 0; depth < 40; depth++) {
        tree = r.dirtree(
          [],
          [
            ['x', tree, r.meta],
            ['y', tree, r.meta],
          ],
        );
      }
      r.commit(tree);
    },
  ],
];

const METAS: readonly Case[] = (
  [
    ['a file mode', 'OSTREE_MODE_INVALID', rawDirmeta(0o100755)],
    ['a link mode', 'OSTREE_MODE_INVALID', rawDirmeta(0o120777)],
    ['no type', 'OSTREE_MODE_INVALID', rawDirmeta(0o755)],
    ['bits above the mode', 'OSTREE_MODE_INVALID', rawDirmeta(0o1040755)],
    ['all bits', 'OSTREE_MODE_INVALID', rawDirmeta(0xffffffff)],
    ['every permission', 'accepted', rawDirmeta(0o47777)],
    ['no permission', 'accepted', rawDirmeta(0o40000)],
    ['a xattr', 'accepted', rawDirmeta(0o40755, [xattr('user.a\0')])],
    [
      'xattrs that do not ascend',
      'OSTREE_XATTR_INVALID',
      rawDirmeta(0o40755, [xattr('user.b\0'), xattr('user.a\0')]),
    ],
    [
      'a xattr twice',
      'OSTREE_XATTR_INVALID',
      rawDirmeta(0o40755, [xattr('user.a\0'), xattr('user.a\0')]),
    ],
    ['a xattr without NUL', 'OSTREE_XATTR_INVALID', rawDirmeta(0o40755, [xattr('user.a')])],
    ['a xattr without a name', 'OSTREE_XATTR_INVALID', rawDirmeta(0o40755, [xattr('\0')])],
    ['a xattr of nothing', 'OSTREE_XATTR_INVALID', rawDirmeta(0o40755, [xattr('')])],
    [
      'a NUL inside a xattr name',
      'OSTREE_XATTR_INVALID',
      rawDirmeta(0o40755, [xattr('user\0.a\0')]),
    ],
  ] as const
).map(
  ([name, expected, meta]): Case => [
    `a directory with ${name}`,
    expected,
    (r) => r.commit(r.dirtree([], [['d', r.dirtree([]), r.metadata('dirmeta', meta)]])),
  ],
);

const LINK: RawFile = { mode: 0o120777, target: 'x', size: 0n, hashed: '' };
const NO_PAYLOAD = new Uint8Array(0);
const FILES: readonly Case[] = (
  [
    ['nothing odd', 'accepted', (r) => r.rawFile({})],
    ['another size, smaller', 'OSTREE_PAYLOAD_INVALID', (r) => r.rawFile({ size: 2n })],
    ['another size, larger', 'OSTREE_PAYLOAD_INVALID', (r) => r.rawFile({ size: 4n })],
    ['size 0 and content', 'OSTREE_PAYLOAD_INVALID', (r) => r.rawFile({ size: 0n })],
    ['the largest size', 'OSTREE_HEADER_INVALID', (r) => r.rawFile({ size: 2n ** 64n - 1n })],
    [
      'a size above a terabyte',
      'OSTREE_HEADER_INVALID',
      (r) => r.rawFile({ size: 2n ** 40n + 1n }),
    ],
    ['a terabyte of nothing', 'OSTREE_PAYLOAD_INVALID', (r) => r.rawFile({ size: 2n ** 40n })],
    [
      'an inflating bomb',
      'OSTREE_PAYLOAD_INVALID',
      (r) => r.rawFile({}, deflateRawSync(Buffer.alloc(1 << 26))),
    ],
    ['rdev', 'OSTREE_HEADER_INVALID', (r) => r.rawFile({ rdev: 5 })],
    ['the mode of a device', 'OSTREE_MODE_INVALID', (r) => r.rawFile({ mode: 0o20644 })],
    ['the mode of a pipe', 'OSTREE_MODE_INVALID', (r) => r.rawFile({ mode: 0o10644 })],
    ['the mode of a directory', 'OSTREE_MODE_INVALID', (r) => r.rawFile({ mode: 0o40755 })],
    ['the mode of a socket', 'OSTREE_MODE_INVALID', (r) => r.rawFile({ mode: 0o140755 })],
    ['no type', 'OSTREE_MODE_INVALID', (r) => r.rawFile({ mode: 0o644 })],
    ['bits above the mode', 'OSTREE_MODE_INVALID', (r) => r.rawFile({ mode: 0o1100644 })],
    ['every permission', 'accepted', (r) => r.rawFile({ mode: 0o107777 })],
    ['the largest owner', 'accepted', (r) => r.rawFile({ uid: 0xffffffff, gid: 0xffffffff })],
    ['a target that is hashed', 'OSTREE_CHECKSUM_MISMATCH', (r) => r.rawFile({ target: 'x' })],
    ['a target that is not', 'accepted', (r) => r.rawFile({ target: 'x', hashedTarget: '' })],
    ['no payload', 'OSTREE_PAYLOAD_INVALID', (r) => r.rawFile({}, NO_PAYLOAD)],
    ['a payload of zlib', 'OSTREE_PAYLOAD_INVALID', (r) => r.rawFile({}, deflateSync('hi\n'))],
    ['a payload that is not packed', 'OSTREE_PAYLOAD_INVALID', (r) => r.rawFile({}, bytes('hi\n'))],
    [
      'a payload that says otherwise',
      'OSTREE_CHECKSUM_MISMATCH',
      (r) => r.rawFile({}, deflateRawSync('ho\n')),
    ],
    [
      'bytes behind the payload',
      'accepted',
      (r) => r.rawFile({}, Buffer.concat([deflateRawSync('hi\n'), bytes('x')])),
    ],
    [
      'no content and no payload',
      'accepted',
      (r) => r.rawFile({ size: 0n, hashed: '' }, NO_PAYLOAD),
    ],
    [
      'xattrs that do not ascend',
      'accepted',
      (r) => r.rawFile({ xattrs: [xattr('user.b\0'), xattr('user.a\0')] }),
    ],
    [
      'a xattr twice',
      'OSTREE_XATTR_INVALID',
      (r) => r.rawFile({ xattrs: [xattr('user.a\0'), xattr('user.a\0')] }),
    ],
    [
      'a xattr without NUL',
      'OSTREE_XATTR_INVALID',
      (r) => r.rawFile({ xattrs: [xattr('user.a')] }),
    ],
    ['a xattr without a name', 'OSTREE_XATTR_INVALID', (r) => r.rawFile({ xattrs: [xattr('\0')] })],
    ['a xattr without a value', 'accepted', (r) => r.rawFile({ xattrs: [xattr('user.a\0', '')] })],
    [
      'a xattr name of 255 bytes',
      'accepted',
      (r) => r.rawFile({ xattrs: [xattr(`user.${'n'.repeat(250)}\0`)] }),
    ],
    [
      'a xattr name of 261 bytes',
      'TREE_INVALID',
      (r) => r.rawFile({ xattrs: [xattr(`user.${'n'.repeat(256)}\0`)] }),
    ],
    [
      'a xattr value of 65,535 bytes',
      'accepted',
      (r) => r.rawFile({ xattrs: [xattr('user.a\0', 'v'.repeat(65_535))] }),
    ],
    [
      'a xattr value of 65,536 bytes',
      'TREE_INVALID',
      (r) => r.rawFile({ xattrs: [xattr('user.a\0', 'v'.repeat(65_536))] }),
    ],
    [
      'ten thousand xattrs',
      'accepted',
      (r) =>
        r.rawFile({
          xattrs: Array.from({ length: 10_000 }, (_, index) => xattr(`user.${10_000 + index}\0`)),
        }),
    ],
    [
      'a xattr of the overlay',
      'accepted',
      (r) => r.rawFile({ xattrs: [xattr('trusted.overlay.redirect\0', '/etc/shadow')] }),
    ],
    [
      'a link of 4,095 bytes',
      'accepted',
      (r) => r.rawFile({ ...LINK, target: 'x'.repeat(4095) }, NO_PAYLOAD),
    ],
    [
      'a link of 100,000 bytes',
      'TREE_INVALID',
      (r) => r.rawFile({ ...LINK, target: 'x'.repeat(100_000) }, NO_PAYLOAD),
    ],
    ['a link', 'accepted', (r) => r.rawFile(LINK, NO_PAYLOAD)],
    [
      'a link out of the tree',
      'accepted',
      (r) => r.rawFile({ ...LINK, target: '../../../etc/shadow' }, NO_PAYLOAD),
    ],
    ['a link with payload', 'OSTREE_PAYLOAD_INVALID', (r) => r.rawFile(LINK)],
    ['a link to nothing', 'accepted', (r) => r.rawFile({ ...LINK, target: '' }, NO_PAYLOAD)],
  ] as const satisfies readonly (readonly [string, Expected, (repo: RawRepo) => OstreeChecksum])[]
).map(
  ([name, expected, make]): Case => [`a file with ${name}`, expected, (r) => r.of(['a', make(r)])],
);

const PREFIXES: readonly Case[] = (
  [
    ['longer than the object', 'OSTREE_HEADER_INVALID', 0, 0xff],
    ['one longer', 'GVARIANT_NOT_NORMAL', 3, 0x1b],
    ['one shorter', 'GVARIANT_NOT_NORMAL', 3, 0x19],
    ['of nothing', 'GVARIANT_NOT_NORMAL', 3, 0],
    ['with padding', 'accepted', 7, 1],
  ] as const
).map(
  ([name, expected, at, value]): Case => [
    `a header length ${name}`,
    expected,
    (r) => {
      const object = Buffer.from(encodeFilez({ ...PLAIN, sizeBytes: 3 }, bytes('hi\n')));
      object[at] = value;
      r.of(['a', r.filez(r.file, object)]);
    },
  ],
);

const GOOD = (r: RawRepo) => r.of(['a', r.file]);
const REFS: readonly Case[] = (
  [
    ['nothing', 'OSTREE_REF_INVALID', () => ''],
    ['junk', 'OSTREE_REF_INVALID', () => 'hello\n'],
    ['upper-case digits', 'OSTREE_REF_INVALID', (c: string) => `${c.toUpperCase()}\n`],
    ['one digit less', 'OSTREE_REF_INVALID', (c: string) => `${c.slice(1)}\n`],
    ['one digit more', 'OSTREE_REF_INVALID', (c: string) => `0${c}\n`],
    ['two lines', 'OSTREE_REF_INVALID', (c: string) => `${c}\n${c}\n`],
    ['a NUL', 'OSTREE_REF_INVALID', (c: string) => `${c}\0`],
    ['a path', 'OSTREE_REF_INVALID', () => `../../../../etc/passwd\n`],
    ['no newline', 'accepted', (c: string) => c],
    ['a commit that is not there', 'OSTREE_OBJECT_MISSING', () => `${ZERO_SUM}\n`],
  ] as const
).map(
  ([name, expected, content]): Case => [
    `a ref file with ${name}`,
    expected,
    (r) => {
      const commit = GOOD(r);
      // A commit with letters in its name, so that upper case differs.
      r.put('refs/heads/t', content(commit));
    },
  ],
);

const BINDINGS: readonly Case[] = (
  [
    ['this ref', 'accepted', ['t']],
    ['more refs', 'accepted', ['a', 't']],
    ['another ref', 'OSTREE_BINDING_MISMATCH', ['other']],
    ['no ref', 'OSTREE_BINDING_MISMATCH', []],
  ] as const
).map(
  ([name, expected, refs]): Case => [
    `a commit bound to ${name}`,
    expected,
    (r) =>
      r.commit(r.dirtree([]), {
        metadata: [['ostree.ref-binding', variantOf(arrayOf(STRING), refs)]],
      }),
  ],
);

/** Without a collection of the remote, whatever a commit says about its own is not compared. Source: OSTree spec 2.13. */
const COLLECTIONS: readonly Case[] = [
  [
    'a commit bound to a foreign collection',
    'accepted',
    (r) =>
      r.commit(r.dirtree([]), {
        metadata: [
          ['ostree.ref-binding', variantOf(arrayOf(STRING), ['t'])],
          ['ostree.collection-binding', variantOf(STRING, 'com.example.Other')],
        ],
      }),
  ],
  [
    'a commit whose ref binding is no list',
    'OSTREE_BINDING_MISMATCH',
    (r) =>
      r.commit(r.dirtree([]), { metadata: [['ostree.ref-binding', variantOf(STRING, 'other')]] }),
  ],
];

const CASES = [
  ...NAMES,
  ...SUMS,
  ...METAS,
  ...FILES,
  ...PREFIXES,
  ...REFS,
  ...BINDINGS,
  ...COLLECTIONS,
];

let scratch: TempDir;
let server: FakeHttp;
before(async () => {
  scratch = makeTempDir();
  server = await FakeHttp.start({ root: scratch.path });
});
after(async () => {
  await server[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

/** Pulls `t`, or every ref, and demands that nothing is left of a refused pull. */
async function outcome(
  source: OstreeAddress,
  label: string,
  targets: PullTargets = ['t'],
): Promise<Expected> {
  using temp = await makeTempRepository();
  const { repository } = temp;
  let count = 0;
  const result = await pullCommits(repository, source, targets, { workers: 0 }).then(
    ({ commits }) => {
      count = commits.length;
      return 'accepted' as const;
    },
    (error: unknown) => {
      assert.ok(isOnecopyError(error), `${label}: ${String(error)}`);
      return error.code;
    },
  );
  const streams = [...repository.streams.list()].filter(({ name }) => name.includes('commit'));
  const refs = repository.refs.list('streams', 'ostree');
  const streamCount = Math.min(count, 1);
  assert.deepEqual([streams.length, refs.length], [streamCount, count], `${label}: ${result}`);
  assert.deepEqual((await checkRepository(repository)).findings, [], label);
  return result;
}

test('hostile repositories with valid checksums are accepted or refused with the expected code, remote and local', async () => {
  assert.ok(CASES.length > 130, `${CASES.length} cases`);
  const wrong: string[] = [];
  for (const [index, [name, expected, make]] of CASES.entries()) {
    const folder = `case-${index}`;
    make(new RawRepo(join(scratch.path, folder)));
    const url = `${server.url}/${folder}`;
    const http = { retry: { baseMs: 1, capMs: 2 } };
    for (const source of [
      { kind: 'local', path: join(scratch.path, folder) },
      { kind: 'remote', url, http },
    ] as const) {
      const found = await outcome(source, `${name} (${source.kind})`);
      if (found !== expected)
        wrong.push(`${name} (${source.kind}): ${found}, expected ${expected}`);
    }
    rmSync(join(scratch.path, folder), { recursive: true });
  }
  assert.deepEqual(wrong, []);
});

const SUMMARY = tupleOf(
  arrayOf(tupleOf(STRING, tupleOf(UINT64, BYTES, VARIANT_DICT))),
  VARIANT_DICT,
);

/** Refs of a summary, with the commit size that it states. */
type RawSummary = readonly (readonly [name: string, commit: string | Uint8Array, size?: bigint])[];

function rawSummary(refs: RawSummary): Uint8Array {
  const raw = refs.map(([name, commit, size = 200n]) => {
    const checksum = typeof commit === 'string' ? sum(commit as OstreeChecksum) : commit;
    return [name, [size, checksum, []]] as const;
  });
  return encodeVariant([raw, []], SUMMARY);
}

/** A summary, what becomes of a pull of `t`, and of a mirror. */
type SummaryCase = readonly [string, Expected, Expected, (good: OstreeChecksum) => Uint8Array];

const SUMMARIES: readonly SummaryCase[] = [
  ['the ref', 'accepted', 'accepted', (good) => rawSummary([['t', good]])],
  ['no ref', 'accepted', 'accepted', () => rawSummary([])],
  [
    'unsorted refs',
    'accepted',
    'accepted',
    (good) =>
      rawSummary([
        ['z', good],
        ['t', good],
        ['a', good],
      ]),
  ],
  [
    'the ref twice, the first one right',
    'accepted',
    'accepted',
    (good) =>
      rawSummary([
        ['t', good],
        ['t', ZERO_SUM],
      ]),
  ],
  [
    'the ref twice, the first one wrong',
    'OSTREE_OBJECT_MISSING',
    'OSTREE_OBJECT_MISSING',
    (good) =>
      rawSummary([
        ['t', ZERO_SUM],
        ['t', good],
      ]),
  ],
  [
    'another commit',
    'OSTREE_OBJECT_MISSING',
    'OSTREE_OBJECT_MISSING',
    () => rawSummary([['t', ZERO_SUM]]),
  ],
  [
    'a checksum of 31 bytes',
    'OSTREE_CHECKSUM_LENGTH',
    'OSTREE_CHECKSUM_LENGTH',
    () => rawSummary([['t', new Uint8Array(31)]]),
  ],
  [
    'a byte at the end',
    'GVARIANT_NOT_NORMAL',
    'GVARIANT_NOT_NORMAL',
    (good) => Buffer.concat([rawSummary([['t', good]]), bytes('x')]),
  ],
  ['nothing', 'GVARIANT_NOT_NORMAL', 'GVARIANT_NOT_NORMAL', () => bytes('')],
  [
    'a commit size of 1',
    'RESPONSE_TOO_LARGE',
    'RESPONSE_TOO_LARGE',
    (good) => rawSummary([['t', good, 1n]]),
  ],
  [
    'a commit size beyond all',
    'accepted',
    'accepted',
    (good) => rawSummary([['t', good, 2n ** 64n - 1n]]),
  ],
  ...[
    '../../../../escape',
    '/t',
    't/',
    'a//b',
    '',
    '.',
    '.hidden/x',
    'a b',
    'f'.repeat(64),
    'a\\b',
  ].map(
    (name): SummaryCase => [
      `a ref named ${JSON.stringify(name).slice(0, 20)}`,
      'accepted',
      'OSTREE_REF_INVALID',
      (good) =>
        rawSummary([
          [name, good],
          ['t', good],
        ]),
    ],
  ),
];

test('an invalid summary is refused with its code, and its ref names never leave the folder of refs', async () => {
  const path = join(scratch.path, 'summary-case');
  const repo = new RawRepo(path);
  const good = GOOD(repo);
  const http = { retry: { baseMs: 1, capMs: 2 } };
  const source = { kind: 'remote', url: `${server.url}/summary-case`, http } as const;
  const wrong: string[] = [];
  for (const [name, expected, expectedOfAll, make] of SUMMARIES) {
    repo.put('summary', make(good));
    const found = [await outcome(source, name), await outcome(source, name, 'all')];
    if (found.join() !== [expected, expectedOfAll].join()) wrong.push(`${name}: ${found.join()}`);
  }
  assert.deepEqual(wrong, []);
  // Cut anywhere it says nothing; with any byte changed it may say another thing, never something unsafe.
  const whole = rawSummary([['t', good]]);
  for (let length = 1; length < whole.length; length++) {
    repo.put('summary', whole.subarray(0, length));
    assert.notEqual(await outcome(source, `${length} bytes of the summary`), 'accepted');
  }
  for (let at = 0; at < whole.length; at++) {
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] ?? 0) ^ 0xff;
    repo.put('summary', changed);
    await outcome(source, `summary with byte ${at} changed`, 'all');
  }
});

const CONFIGS: readonly (readonly [string, Expected])[] = [
  ['[core]\nrepo_version=1\nmode=archive-z2\n', 'accepted'],
  ['[core]\nrepo_version=1\nmode=archive\n', 'accepted'],
  ['[core]\nrepo_version=1\nmode=tape\n', 'OSTREE_CONFIG_INVALID'],
  ['[core]\nrepo_version=1\n', 'OSTREE_CONFIG_INVALID'],
  ['[core]\nrepo_version=2\nmode=archive\n', 'OSTREE_VERSION_UNSUPPORTED'],
  ['[core]\nmode=archive\n', 'OSTREE_VERSION_UNSUPPORTED'],
  ['', 'OSTREE_VERSION_UNSUPPORTED'],
  ['\0\0\0', 'OSTREE_KEY_FILE_INVALID'],
  ['[core\nmode=archive\n', 'OSTREE_KEY_FILE_INVALID'],
  ['mode=archive\n', 'OSTREE_KEY_FILE_INVALID'],
  ['[core]\nrepo_version=1\nmode=bare\n', 'OSTREE_OBJECT_MISSING'],
  ['[core]\nrepo_version=1\nmode=archive\nparent=/nowhere\n', 'OSTREE_REPO_NOT_FOUND'],
  ['[core]\nrepo_version=1\nmode=archive\nlock-timeout-secs=soon\n', 'OSTREE_CONFIG_INVALID'],
];

test('a local repository with an invalid config is refused with its code', async () => {
  const path = join(scratch.path, 'config-case');
  const repo = new RawRepo(path);
  GOOD(repo);
  for (const [config, expected] of CONFIGS) {
    repo.put('config', config);
    assert.equal(await outcome({ kind: 'local', path }, JSON.stringify(config)), expected, config);
  }
  rmSync(join(path, 'config'));
  symlinkSync('/dev/zero', join(path, 'config'));
  assert.equal(await outcome({ kind: 'local', path }, 'device'), 'OSTREE_FILE_TYPE_INVALID');
});
