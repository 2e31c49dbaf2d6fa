import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it, mock } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { UsageError } from '#base/errors';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { main as composefsInfo } from './composefs-info.ts';
import { escapeName } from './escape.ts';
import { main as mkcomposefs } from './mkcomposefs.ts';
import { parseOptions } from './options.ts';

const GOLDEN = new URL('../../../test/golden/composefs/random/', import.meta.url);
const ID = '5a'.repeat(32);
const OBJECT = `5a/${ID.slice(2)}`;
const DUMP = `/ 0 40755 3 0 0 0 1.0 - - - security.x=y user.a=b
/c 0 20644 1 0 0 5 1.0 - - -
/d 0 40755 2 0 0 0 1.0 - - -
/d/e 1234 100644 3 0 0 0 1.0 ${OBJECT} - ${ID}
/d/h 0 @120000 - - - - 0.0 /d/e - -
/f\\x20g\\xff 5 100644 2 0 0 0 1.0 - hello - user.q=-
/l 3 120777 1 0 0 0 1.0 a\\x20b - -
/n 77 100644 1 0 0 0 1.0 some/where - -
/w 0 20644 1 0 0 0 1.0 - - -
/z 0 @120000 - - - - 0.0 /d/e - -
`;

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a tool as a process of its own: for standard input, and for images on standard output. */
function spawnTool(tool: Tool, args: readonly string[], stdin: string): Ran {
  const program = fileURLToPath(new URL(`./${tool}.ts`, import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    encoding: 'latin1',
    input: stdin,
    maxBuffer: 2 ** 26,
  });
  return { status, stdout, stderr };
}

type Tool = 'mkcomposefs' | 'composefs-info';
const MAINS = { mkcomposefs, 'composefs-info': composefsInfo } as const;

/** Runs a tool in this process and catches what it prints. */
async function run(tool: Tool, args: readonly string[]): Promise<Ran> {
  const printed = { stdout: '', stderr: '' };
  const mocks = (['stdout', 'stderr'] as const).map((stream) =>
    mock.method(process[stream], 'write', (text: string) => {
      printed[stream] += text;
      return true;
    }),
  );
  try {
    return { status: await MAINS[tool](args), ...printed };
  } finally {
    for (const { mock: one } of mocks) one.restore();
  }
}

function dumpFile(directory: string, dump: string | Uint8Array): string {
  const path = join(directory, 'dump');
  writeFileSync(path, dump);
  return path;
}

async function image(directory: string, dump = DUMP): Promise<string> {
  const path = join(directory, 'image');
  const args = ['--from-file', dumpFile(directory, dump), path];
  const { status, stderr } = await run('mkcomposefs', args);
  assert.equal(status, 0, stderr);
  return path;
}

describe('mkcomposefs', () => {
  it('prints the golden image ids of random dumps', async () => {
    using temp = makeTempDir();
    const cases = JSON.parse(readFileSync(new URL('expected.json', GOLDEN), 'utf8')) as {
      readonly dump: string;
      readonly [version: `v${number}`]: { readonly fsverity_sha256: string };
    }[];
    for (const golden of cases.filter(({ dump }) => /^000[1-4]|^0020/.test(dump))) {
      const path = dumpFile(
        temp.path,
        gunzipSync(readFileSync(new URL(`${golden.dump}.gz`, GOLDEN))),
      );
      for (const version of [0, 1] as const) {
        const range = [`--min-version=${version}`, `--max-version=${version}`];
        const expected = `${golden[`v${version}`]?.fsverity_sha256}\n`;
        const out = join(temp.path, 'out');
        const args = ['--from-file', '--print-digest', ...range, path, out];
        const written = await run('mkcomposefs', args);
        assert.equal(written.stdout, expected, written.stderr);
        const only = await run('mkcomposefs', [
          '--print-digest-only',
          '--from-file',
          ...range,
          path,
        ]);
        assert.equal(only.stdout, expected, only.stderr);
      }
    }
  });

  it('dumps escaped whiteouts as C does, and reads that dump back to the same image', async () => {
    using temp = makeTempDir();
    const [input, output] = ['in', 'out'].map((name) =>
      readFileSync(new URL(`../escaped-whiteouts.${name}`, GOLDEN), 'latin1'),
    );
    const path = await image(temp.path, input);
    assert.equal((await run('composefs-info', ['dump', path])).stdout, output);
    assert.equal((await run('composefs-info', ['objects', path])).stdout, '');
    assert.match((await run('composefs-info', ['ls', path])).stdout, /^\/f$/m);
    await image(temp.path, output);
  });

  it('raises the version to 1 if the tree has a whiteout and the range allows version 1', async () => {
    using temp = makeTempDir();
    const id = async (dump: string, ...range: string[]): Promise<string> => {
      const path = dumpFile(temp.path, dump);
      const args = ['--from-file', '--print-digest-only', ...range, path];
      return (await run('mkcomposefs', args)).stdout;
    };
    const plain = '/ 0 40755 2 0 0 0 1.0 - - -\n';
    const dump = `${plain}/w 0 20644 1 0 0 0 1.0 - - -\n`;
    assert.equal(await id(dump), await id(dump, '--min-version=1'));
    assert.notEqual(await id(dump), await id(dump, '--max-version=0'));
    assert.equal(
      await id(dump, '--max-version=0'),
      await id(dump, '--min-version=0', '--max-version', '0'),
    );
    assert.equal(await id(plain), await id(plain, '--max-version=0'));
  });

  it('writes the image to standard output, then the digest', async () => {
    using temp = makeTempDir();
    const path = await image(temp.path);
    const { stdout } = spawnTool('mkcomposefs', ['--from-file', '--print-digest', '-', '-'], DUMP);
    const bytes = readFileSync(path).toString('latin1');
    assert.equal(stdout.slice(0, bytes.length), bytes);
    assert.match(stdout.slice(bytes.length), /^[0-9a-f]{64}\n$/);
  });

  it('reads files, links, modes and times of a directory, with and without hard links', async () => {
    using temp = makeTempDir();
    const source = join(temp.path, 'source');
    mkdirSync(join(source, 'd'), { recursive: true });
    writeFileSync(join(source, 'small'), 'x'.repeat(64), { mode: 0o640 });
    writeFileSync(join(source, 'd', 'large'), 'y'.repeat(65));
    linkSync(join(source, 'd', 'large'), join(source, 'linked'));
    symlinkSync('to where', join(source, 'link'));
    const names = ['small', 'd/large', 'd', '.'];
    for (const name of names) utimesSync(join(source, name), 1000, 1000);
    const out = join(temp.path, 'out');
    const store = join(temp.path, 'store');
    const made = await run('mkcomposefs', [`--digest-store=${store}`, '--use-epoch', source, out]);
    assert.equal(made.status, 0, made.stderr);
    const listed = (await run('composefs-info', ['ls', out])).stdout.replaceAll(
      /@ \S+/g,
      '@ object',
    );
    assert.equal(
      listed,
      '/d/\t\n/d/large\t@ object\n/link\t-> to\\x20where\n/linked\t@ object\n/small\n',
    );
    const [path] = (await run('composefs-info', ['objects', out])).stdout.split('\n');
    assert.equal(readFileSync(join(store, path ?? '')).toString(), 'y'.repeat(65));
    assert.equal(
      (await run('composefs-info', ['missing-objects', `--basedir=${store}`, out])).stdout,
      '',
    );
    const dump = (await run('composefs-info', ['dump', out])).stdout;
    assert.match(dump, /^\/small 64 100640 1 \d+ \d+ 0 0\.0 - x{64} -$/m);
    const kept = join(temp.path, 'kept');
    assert.equal((await run('mkcomposefs', ['--hardlinks', source, kept])).status, 0);
    assert.match(
      (await run('composefs-info', ['dump', kept])).stdout,
      /^\/linked 65 @100\d+ 2 .* \/d\/large /m,
    );
  });

  const failures: readonly [string, readonly string[], string, RegExp][] = [
    ['no source', [], '', /No source path specified\nUsage: mkcomposefs/],
    ['no image', ['x'], '', /No destination path specified/],
    ['too many operands', ['x', 'y', 'z'], '', /Too many arguments/],
    [
      'an image beside --print-digest-only',
      ['--print-digest-only', 'x', 'y'],
      '',
      /Cannot specify/,
    ],
    ['an unknown option', ['--bogus', 'x', 'y'], '', /unrecognized option '--bogus'/],
    ['a version that is no number', ['--max-version=x', 'x', 'y'], '', /Invalid max version x/],
    ['a thread count of zero', ['--threads=0', 'x', 'y'], '', /Invalid threads count 0/],
    [
      'a version that does not exist',
      ['--from-file', '--min-version=2', '-', 'y'],
      DUMP,
      /version/,
    ],
    ['a source that is not there', ['/nowhere/at/all', 'y'], '', /^mkcomposefs: Cannot/],
    ['a dump that breaks the rules', ['--from-file', '-', 'y'], 'bogus\n', /line 1/],
  ];
  for (const [name, args, stdin, message] of failures) {
    it(`exits with 1 and a reason on ${name}`, async () => {
      using temp = makeTempDir();
      const files = args.map((arg) => (arg === '-' ? dumpFile(temp.path, stdin) : arg));
      const { status, stdout, stderr } = await run('mkcomposefs', files);
      assert.equal(status, 1);
      assert.equal(stdout, '');
      assert.match(stderr, message);
      assert.equal(existsSync('y'), false);
    });
  }

  it('warns about options that have no effect on a dumpfile, and writes the same image', async () => {
    using temp = makeTempDir();
    const path = dumpFile(temp.path, DUMP);
    const args = ['--from-file', '--print-digest-only', path];
    const { status, stdout, stderr } = await run('mkcomposefs', ['--use-epoch', ...args]);
    assert.equal(status, 0);
    assert.match(stderr, /--use-epoch has no effect/);
    assert.equal(stdout, (await run('mkcomposefs', args)).stdout);
  });
});

describe('composefs-info', () => {
  it('lists names, targets and the backing file of the first name', async () => {
    using temp = makeTempDir();
    const { stdout } = await run('composefs-info', ['ls', await image(temp.path)]);
    const lines = [
      '/c',
      '/d/\t',
      `/d/e\t@ ${OBJECT}`,
      '/d/h',
      '/f g\\xff',
      '/l\t-> a\\x20b',
      '/n\t@ some/where',
      '/w',
      '/z',
    ];
    assert.equal(stdout, `${lines.join('\n')}\n`);
  });

  it('dumps as C does: sizes and link counts as stored, hard links with full metadata', async () => {
    using temp = makeTempDir();
    const { stdout } = await run('composefs-info', ['dump', await image(temp.path)]);
    const opaque = 'trusted.overlay.opaque=x user.a=b user.overlay.opaque=x';
    const lines = [
      `/ 4096 40755 3 0 0 0 1.0 - - - security.x=y ${opaque}`,
      '/c 0 20644 1 0 0 5 1.0 - - -',
      '/d 53 40755 2 0 0 0 1.0 - - -',
      `/d/e 1234 100644 3 0 0 0 1.0 ${OBJECT} - ${ID}`,
      `/d/h 1234 @100644 3 0 0 0 1.0 /d/e - ${ID}`,
      '/f\\x20g\\xff 5 100644 2 0 0 0 1.0 - hello - user.q=-',
      '/l 3 120777 1 0 0 0 1.0 a\\x20b - -',
      '/n 77 100644 1 0 0 0 1.0 some/where - -',
      '/w 0 20644 1 0 0 0 1.0 - - -',
      `/z 1234 @100644 3 0 0 0 1.0 /d/e - ${ID}`,
    ];
    assert.equal(stdout, `${lines.join('\n')}\n`);
    assert.equal(
      readFileSync(await image(temp.path, stdout)).length,
      readFileSync(await image(temp.path)).length,
    );
  });

  it('takes options before and after the command, and filters by names in the root', async () => {
    using temp = makeTempDir();
    const path = await image(temp.path);
    const expected = `/d/\t\n/d/e\t@ ${OBJECT}\n/d/h\n/w\n`;
    assert.equal(
      (await run('composefs-info', ['--filter=d', 'ls', '--filter', 'w', path])).stdout,
      expected,
    );
  });

  it('lists the objects of an image, and the ones missing in a directory', async () => {
    using temp = makeTempDir();
    const path = await image(temp.path);
    assert.equal(
      (await run('composefs-info', ['objects', path, path])).stdout,
      `${OBJECT}\nsome/where\n`,
    );
    mkdirSync(join(temp.path, 'some'));
    writeFileSync(join(temp.path, 'some', 'where'), '');
    const missing = ['--basedir', temp.path, 'missing-objects', path];
    assert.equal((await run('composefs-info', missing)).stdout, `${OBJECT}\n`);
  });

  it('prints the fs-verity digest of a file', async () => {
    using temp = makeTempDir();
    const path = join(temp.path, 'f');
    writeFileSync(path, 'hello world');
    assert.equal(
      (await run('composefs-info', ['measure-file', path])).stdout,
      '1e2eaa4202d750a41174ee454970b92c1bc2f925b1e35076d8c7d5f56362ba64\n',
    );
  });

  const failures: readonly [string, readonly string[], RegExp][] = [
    ['no command', [], /No command specified\nusage: composefs-info/],
    ['an unknown command', ['bogus', 'x'], /Unknown command 'bogus'/],
    ['no image', ['ls'], /No image path specified/],
    ['an image that is not there', ['ls', '/nowhere'], /^composefs-info: Cannot/],
    ['a file that is no image', ['ls', '/etc/passwd'], /^composefs-info: Cannot read the image/],
  ];
  for (const [name, args, message] of failures) {
    it(`exits with 1 and a reason on ${name}`, async () => {
      const { status, stderr } = await run('composefs-info', args);
      assert.equal(status, 1);
      assert.match(stderr, message);
    });
  }
});

describe('parseOptions', () => {
  const table = {
    'print-digest': { says: 'a flag' },
    'print-digest-only': { says: 'a flag that begins with the name of another' },
    threads: { value: 'N', says: 'an option with a value' },
  };
  const parse = (...argv: string[]): ReturnType<typeof parseOptions> =>
    parseOptions(argv, table, 'p');

  it('takes any unique prefix of an option name, and prefers an exact match', () => {
    assert.deepEqual(parse('--thr', '4').values.get('threads'), ['4']);
    assert.deepEqual([...parse('--print-digest').flags], ['print-digest']);
    assert.deepEqual([...parse('--print-digest-o').flags], ['print-digest-only']);
  });

  it('refuses ambiguous and unknown options, missing values and unexpected values', () => {
    for (const argv of [['--print'], ['--nope'], ['-x'], ['--threads'], ['--print-digest=1']]) {
      assert.throws(() => parse(...argv), UsageError);
    }
  });

  it('takes all arguments after -- as operands', () => {
    assert.deepEqual(parse('a', '--', '--threads').operands, ['a', '--threads']);
  });
});

describe('escapeName', () => {
  it('escapes all bytes but graphic ASCII, and spaces only on request', () => {
    assert.equal(escapeName('a b\\\n\t\r\x01\xff=', true), 'a b\\\\\\n\\t\\r\\x01\\xff=');
    assert.equal(escapeName('a b', false), 'a\\x20b');
  });
});
