import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ByteString } from '#base/bytes';
import { hasCode } from '#base/errors';
import { encodeImage } from '#formats/erofs';
import { computeVerity } from '#formats/fsverity';
import { arbitraryTree } from '../../../test/support/arbitrary-tree.ts';
import type { Dialect } from './dumpfile-layout.ts';
import { DumpfileParser, parseDumpfile } from './dumpfile-reader.ts';
import { encodeDumpfile } from './dumpfile-writer.ts';
import { NO_XATTRS, type Stat, Tree } from './model.ts';
import { lookupLeaf, verifyTree, walkTree } from './operations.ts';

const GOLDEN = new URL('../../../test/golden/cfsctl/dumpfile/parse.json', import.meta.url);
const C_LINES = new URL('../../../test/golden/composefs/c-lines.json', import.meta.url);
const ROOT = '/ 0 40755 2 0 0 0 1.0 - - -\n';
const FIVE_A = '5a'.repeat(32);
const OBJECT = `5a/${FIVE_A.slice(2)}`;

/**
 * Cases in which one of our dialects differs from its tool on purpose; each is documented in docs/formats/dumpfile.md.
 * The value is our behaviour.
 */
const DIFFERENCES: Readonly<Record<string, string>> = {
  'C: digest short': 'refused: C completes it from stale memory',
  'C: device rdev 2^32': 'refused: C cuts it to a whiteout',
  'cfsctl: name 256': 'refused: no kernel reads the image',
  'cfsctl: file size 9.5e15 sparse': 'refused: no image can describe it, and C refuses it too',
  'cfsctl: non-UTF-8 raw byte in name': 'accepted: names are bytes, and C accepts it too',
};

interface GoldenCase {
  readonly case: string;
  readonly dump: string | { readonly sha256: string };
  readonly [result: string]: unknown;
}

function outcome(dump: string, dialect: Dialect, version: 0 | 1): string {
  const parser = new DumpfileParser({ dialect });
  try {
    parser.push(Buffer.from(dump));
    const { tree, overrides } = parser.end();
    const likeC = dialect === 'c';
    const image = encodeImage(tree, { version, algorithm: 'sha256', likeC, overrides });
    return computeVerity(image, 'sha256');
  } catch (error) {
    if (hasCode(error, 'DUMPFILE_INVALID') || hasCode(error, 'TREE_INVALID')) return 'refused';
    throw error;
  }
}

describe('the golden one-line dumps', () => {
  const cases = JSON.parse(readFileSync(GOLDEN, 'utf8')) as GoldenCase[];
  for (const golden of cases) {
    const { dump } = golden;
    if (typeof dump !== 'string') continue;
    for (const [tool, dialect] of [
      ['cfsctl', 'composefs-rs'],
      ['C', 'c'],
    ] as const) {
      const isDifferent = DIFFERENCES[`${tool}: ${golden.case}`] !== undefined;
      it(`${golden.case}: ${isDifferent ? 'differs on purpose from' : 'has the outcome of'} ${tool}`, () => {
        for (const version of [0, 1] as const) {
          const recorded = golden[`${tool} V${version}`];
          const expected = typeof recorded === 'string' ? recorded : 'refused';
          const found = outcome(dump, dialect, version);
          if (isDifferent) assert.notEqual(found, expected);
          else assert.equal(found, expected, `V${version}`);
        }
      });
    }
  }

  it('are at least sixty', () => {
    assert.ok(cases.length >= 60);
  });
});

interface CLines {
  readonly root: string;
  readonly cases: readonly { readonly line: string; readonly digest: string | null }[];
}

/** Lines without DIGEST, which C completes from stale memory. */
const STALE_MEMORY = new Set([
  '/f 3 100644 1 0 0 0 0.0 - -',
  '/f 3 100644 1 0 0 0 0.0 - - ',
  '/f 3 100644 1 0 0 0 0.0 abc -',
]);

describe('lines that C mkcomposefs accepts or refuses', () => {
  const { root, cases } = JSON.parse(readFileSync(C_LINES, 'utf8')) as CLines;
  for (const { line, digest } of cases) {
    it(`"${line}" is ${digest === null || STALE_MEMORY.has(line) ? 'refused' : 'taken'}`, () => {
      const whole = line.replace(/\{v\*([0-9]+)\}/g, (_, count) => 'v'.repeat(Number(count)));
      const expected = STALE_MEMORY.has(line) ? 'refused' : (digest ?? 'refused');
      assert.equal(outcome(`${root}\n${whole}\n`, 'c', 0), expected);
    });
  }
});

describe('parseDumpfile', () => {
  const refused: readonly [string, string][] = [
    ['content on a fifo', `${ROOT}/p 3 10644 1 0 0 0 1.0 - abc -\n`],
    ['a root with a device number', '/ 0 40755 2 0 0 5 1.0 - - -\n'],
    ['a root with a digest', `/ 0 40755 2 0 0 0 1.0 - - ${FIVE_A}\n`],
    ['a root that is a file', '/ 0 100644 1 0 0 0 1.0 - - -\n'],
    ['nanoseconds of a whole second', '/ 0 40755 2 0 0 0 1.1000000000 - - -\n'],
    ['an xattr name with a NUL', `${ROOT.trimEnd()} user.a\\x00b=c\n`],
    ['an empty path', `${ROOT} 0 40755 2 0 0 0 1.0 - - -\n`],
    ['a path with a NUL', `${ROOT}/a\0b 0 40755 2 0 0 0 1.0 - - -\n`],
    ['a relative path', `${ROOT}a 0 40755 2 0 0 0 1.0 - - -\n`],
    ['a path with three slashes', `${ROOT}///x 0 40755 2 0 0 0 1.0 - - -\n`],
    ['a path component of two dots', `${ROOT}/.. 0 40755 2 0 0 0 1.0 - - -\n`],
    ['a path of 4097 bytes', `${ROOT}/${'a/'.repeat(2048)} 0 40755 2 0 0 0 1.0 - - -\n`],
    ['an unterminated escape', `${ROOT}/a\\x1 0 40755 2 0 0 0 1.0 - - -\n`],
    ['an object path without digest that is none', `${ROOT}/f 1 100644 1 0 0 0 1.0 x - -\n`],
    ['a digest that is no hex', `${ROOT}/f 1 100644 1 0 0 0 1.0 ${OBJECT} - ${'zz'.repeat(32)}\n`],
    ['a leaf as a parent', `${ROOT}/f 0 10644 1 0 0 0 1.0 - - -\n/f/g 0 10644 1 0 0 0 1.0 - - -\n`],
    ['a size of 2^64', `${ROOT}/f 18446744073709551616 100644 1 0 0 0 1.0 - - -\n`],
    ['a size of 2^53 + 1', `${ROOT}/f 9007199254740993 100644 1 0 0 0 1.0 - - -\n`],
    ['a user id of 2^32', `${ROOT}/f 0 100644 1 4294967296 0 0 1.0 - - -\n`],
  ];
  for (const [name, dump] of refused) {
    it(`refuses ${name}, naming the line and its offset`, () => {
      assert.throws(
        () => parseDumpfile(Buffer.from(dump)),
        (error: unknown) => {
          assert.ok(hasCode(error, 'DUMPFILE_INVALID'));
          const isFirst = dump.split('\n').length === 2 || !dump.startsWith(ROOT);
          assert.equal(error.details['line'] === 1, isFirst);
          assert.equal(error.details['offset'] === 0, isFirst);
          return true;
        },
      );
    });
  }

  it('accepts xattr names of 65535 bytes in total and refuses more', () => {
    const names = (count: number): string =>
      Array.from(
        { length: count },
        (_, at) => `${String(at).padStart(3, '0')}${'k'.repeat(252)}=`,
      ).join(' ');
    assert.equal(
      parseDumpfile(Buffer.from(`${ROOT.trimEnd()} ${names(257)}\n`)).root.stat.xattrs.size,
      257,
    );
    assert.throws(() => parseDumpfile(Buffer.from(`${ROOT.trimEnd()} ${names(258)}\n`)), {
      code: 'DUMPFILE_INVALID',
    });
  });

  it('gives the same tree however the bytes are split into pieces', () => {
    const dump = Buffer.from(
      `${ROOT}/d 0 40700 2 1 2 0 3.4 - - - user.a=b\r\n/d/\\x66 5 100644 2 0 0 0 1.0 - hello -\n/z 0 @120000 - - - - 0.0 /d/f - -`,
    );
    const whole = parseDumpfile(dump);
    for (let length = 1; length < dump.length; length += 1) {
      const parser = new DumpfileParser();
      const reused = Buffer.alloc(length);
      for (let at = 0; at < dump.length; at += length) {
        parser.push(reused.subarray(0, dump.copy(reused, 0, at, at + length)));
      }
      reused.fill(0);
      assert.deepEqual(parser.end().tree, whole);
    }
  });

  it('shares the stat of lines with equal metadata', () => {
    const tree = parseDumpfile(
      Buffer.from(
        `${ROOT}/a 0 10644 1 0 0 0 1.0 - - - user.x=y\n/b 0 10644 1 0 0 0 1.0 - - - user.x=y\n`,
      ),
    );
    assert.equal(tree.leaves.at(0)?.stat, tree.leaves.at(1)?.stat);
  });

  it('accepts a hard link to another hard link', () => {
    const tree = parseDumpfile(
      Buffer.from(
        `${ROOT}/a 1 100644 3 0 0 0 1.0 - x -\n/b 0 @120000 - - - - 0.0 /a - -\n/c 0 @0 0 0 0 0 0.0 /b - -\n`,
      ),
    );
    assert.equal(lookupLeaf(tree, '/c'), lookupLeaf(tree, '/a'));
    assert.deepEqual([...verifyTree(tree)], [3]);
  });

  it('refuses a line above the length limit', () => {
    const parser = new DumpfileParser();
    const piece = Buffer.alloc(16 * 1024 * 1024, 0x61);
    assert.throws(
      () => {
        for (let count = 0; count < 5; count += 1) parser.push(piece);
      },
      { code: 'DUMPFILE_INVALID' },
    );
  });
});

describe('the C dialect', () => {
  const c = (dump: string): ReturnType<DumpfileParser['end']> => {
    const parser = new DumpfileParser({ dialect: 'c' });
    parser.push(Buffer.from(dump));
    return parser.end();
  };

  it('accepts a hard link before its target, and hard links to such links', () => {
    const { tree, overrides } = c(
      `${ROOT}/a 0 @120000 - - - - 0.0 /b - -\n/b 0 @120000 - - - - 0.0 /c - -\n/c 1 100644 3 0 0 0 1.0 - x -\n`,
    );
    assert.deepEqual([...verifyTree(tree)], [3]);
    assert.equal(overrides.homes.get(0)?.name, 'c');
    assert.equal(overrides.linkCounts.size, 0);
  });

  it('refuses hard links in a cycle', () => {
    const dump = `${ROOT}/a 0 @120000 - - - - 0.0 /b - -\n/b 0 @120000 - - - - 0.0 /a - -\n`;
    assert.throws(() => c(dump), { code: 'DUMPFILE_INVALID' });
  });

  it('keeps link counts and payloads that a tree cannot hold as overrides', () => {
    const { overrides } = c(
      `${ROOT}/a 1 100644 7 0 0 0 1.0 - x -\n/b 9 100644 1 0 0 0 1.0 ${OBJECT} - ${FIVE_A}\n/c 9 100644 1 0 0 0 1.0 else - ${FIVE_A}\n/d 9 100644 1 0 0 0 1.0 - - ${FIVE_A}\n`,
    );
    assert.deepEqual([...overrides.linkCounts], [[0, 7]]);
    assert.deepEqual(
      [...overrides.payloads],
      [
        [2, 'else'],
        [3, undefined],
      ],
    );
  });
});

describe('encodeDumpfile', () => {
  it('parseDumpfile reverses it, and encoding again gives the same bytes', () => {
    fc.assert(
      fc.property(arbitraryTree, (tree) => {
        const dump = encodeDumpfile(tree);
        const again = parseDumpfile(dump);
        assert.deepEqual(encodeDumpfile(again), dump);
        const paths = (of: Tree): string[] => [...walkTree(of)].map((entry) => entry.path);
        assert.deepEqual(paths(again), paths(tree));
      }),
      { numRuns: 200 },
    );
  });

  it('escapes characters as the format requires', () => {
    const xattrs = new Map([
      ['user.a=b' as ByteString, Buffer.from('-')],
      ['user.z' as ByteString, Buffer.from('')],
    ]);
    const plain: Stat = { mode: 0o755, uid: 0, gid: 0, mtimeSec: 5n, mtimeNsec: 7, xattrs };
    const tree = new Tree(plain);
    const bare = { ...plain, xattrs: NO_XATTRS };
    tree.root.entries.set(
      'a =\n\xff\\' as ByteString,
      tree.addLeaf({ kind: 'symlink', stat: bare, target: '-' as ByteString }),
    );
    const text = Buffer.from(encodeDumpfile(tree)).toString('latin1');
    assert.equal(
      text,
      '/ 0 40755 2 0 0 0 5.7 - - - user.a\\x3db=- user.z=\n' +
        '/a\\x20=\\n\\xff\\\\ 1 120755 1 0 0 0 5.7 \\x2d - -\n',
    );
  });
});
