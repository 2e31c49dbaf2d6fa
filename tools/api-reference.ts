/**
 * Writes the reference of the library to `docs/api` (not kept in git) from the declarations that are published, by TypeDoc. It reads with a
 * TypeScript of its own (`tools/reference`), because TypeScript 7 has no interface for it yet. A warning is an error: every type that a
 * public function names is public, and every link leads somewhere.
 *
 * Usage: npm run docs, or node tools/api-reference.ts [FOLDER]
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TYPEDOC = join(ROOT, 'tools/reference/node_modules/typedoc/bin/typedoc');
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
/** Types that public ones name and nobody needs to make or take apart. */
const OPAQUE = [
  // An open directory of this process; users give a path.
  'Dir',
  // How sources and routes of layers are made is not public yet.
  'LayerPlanner',
  'PullSource',
  // For tests: intervals and addresses of the client.
  'RegistrySettings',
  'OstreeRemoteOptions',
  // Come out of one function and go into another.
  'BodyEncoder',
  'CommitStream',
  'Directory',
  'Tree',
  // GVariants as this library keeps them.
  'VariantDict',
];

type Exports = Readonly<Record<string, string | { readonly types: string }>>;

/** The doors of the package: their names, and the paths of their declarations. */
export function doors(): { readonly name: string; readonly types: string }[] {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    readonly exports: Exports;
  };
  return Object.entries(manifest.exports).flatMap(([path, target]) =>
    typeof target === 'string' ? [] : [{ name: join('onecopy', path), types: target.types }],
  );
}

function run(args: readonly string[]): void {
  const done = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  if (done.status === 0) return;
  throw new Error(`Cannot write the reference: ${done.stdout}${done.stderr}`);
}

/** @throws Error with what TypeDoc or TypeScript has to say */
export function writeReference(out: string): void {
  // In the checkout, so that the packages that declarations name are found.
  const cache = join(ROOT, '.cache');
  mkdirSync(cache, { recursive: true });
  const scratch = mkdtempSync(join(cache, 'reference-'));
  try {
    copyFileSync(join(ROOT, 'package.json'), join(scratch, 'package.json'));
    run([TSC, '-p', join(ROOT, 'tsconfig.build.json'), '--outDir', join(scratch, 'dist')]);
    const entries = doors().map(({ name, types }) => {
      const entry = join(scratch, `${name.replace('/', '-')}.d.ts`);
      const module = types.replace(/\.d\.ts$/, '.js');
      writeFileSync(entry, `/** @module ${name} */\nexport * from '${module}';\n`);
      return entry;
    });
    const compilerOptions = {
      module: 'nodenext',
      strict: true,
      skipLibCheck: true,
      target: 'es2022',
      lib: ['es2024', 'esnext.disposable'],
      types: ['node'],
      noEmit: true,
    };
    const tsconfig = join(scratch, 'tsconfig.json');
    writeFileSync(tsconfig, JSON.stringify({ compilerOptions, files: entries }));
    const options = join(scratch, 'typedoc.json');
    writeFileSync(
      options,
      JSON.stringify({
        tsconfig,
        entryPoints: entries,
        name: 'onecopy',
        readme: join(ROOT, 'docs/library.md'),
        out,
        excludeInternal: true,
        excludePrivate: true,
        disableSources: true,
        hideGenerator: true,
        treatWarningsAsErrors: true,
        intentionallyNotExported: OPAQUE,
      }),
    );
    run([TYPEDOC, '--options', options]);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

if (import.meta.main) writeReference(process.argv[2] ?? join(ROOT, 'docs/api'));
