/**
 * Builds `dist/` for the published package by rolldown: the library as modules, the programs as CommonJS in `dist/program`, split so that
 * each verb loads only its own code, and loaded by `faces/packed`, which keeps compiled code; and type declarations by tsc. A checkout
 * runs its sources and never needs it.
 *
 * Usage: npm run build [-- --bundle-into FOLDER]   (there, and without declarations: for the benches)
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type BuildOptions, build, type Plugin } from 'rolldown';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SRC = join(ROOT, 'src');
const { 'bundle-into': elsewhere } = parseArgs({
  options: { 'bundle-into': { type: 'string' } },
}).values;
const DIST = elsewhere ?? join(ROOT, 'dist');

const PROGRAM = join(DIST, 'program');

/** By the name of their file in `dist/program/`. */
const PROGRAMS: Readonly<Record<string, string>> = {
  onecopy: 'faces/cli/main.ts',
  mkcomposefs: 'faces/compat/mkcomposefs.ts',
  'composefs-info': 'faces/compat/composefs-info.ts',
};
/** Public doors, by the name of their file in `dist/`. */
const DOORS: Readonly<Record<string, string>> = {
  index: 'index.ts',
  erofs: 'formats/erofs/index.ts',
  fsverity: 'formats/fsverity/index.ts',
  splitstream: 'formats/splitstream/index.ts',
  tar: 'formats/tar/index.ts',
};

/**
 * What nearly every verb needs lies in three files: opening many small ones costs more than reading a large one. The command line needs only
 * the first, the doors of single formats only two. The entry of a thread lies in none: whoever imported it would run it.
 */
const CHUNKS = [
  { name: 'base', test: /^\0node:|\/src\/base\// },
  { name: 'formats', test: /\/src\/formats\/(erofs|fsverity|oci|splitstream|tar|tree)\// },
  {
    name: 'core',
    test: /\/src\/(host|stores\/composefs|work\/(image|repository))\/(?!.*-worker\.ts$)/,
  },
];

/** Every module that is started in a thread, by `new URL('./x.ts', import.meta.url)`; it lies beside the chunks. */
function workers(): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(SRC, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts') || name.endsWith('.test.ts')) continue;
    const text = readFileSync(join(SRC, name), 'utf8');
    for (const [, worker = ''] of text.matchAll(
      /new URL\('\.\/([\w-]+-worker\.ts)', import\.meta\.url\)/g,
    )) {
      const key = basename(worker, '.ts');
      if (!existsSync(join(SRC, name, '..', worker))) continue;
      if (found[key] !== undefined) throw new Error(`two workers are called ${key}`);
      found[key] = join(SRC, name, '..', worker);
    }
  }
  return found;
}

/**
 * Takes from each builtin module what is used of it, when it is used. An `import` of one reads all that it exports, and for `node:fs`,
 * `node:util` and others that loads a dozen more: a sixth of the start of a verb. A function is looked up when it is first called, a
 * constant when it is read: many verbs neither hash nor inflate, and the modules for that take longer to load than such a verb to run.
 */
function builtins(): Plugin {
  return {
    name: 'builtins',
    resolveId(id) {
      return id.startsWith('node:') ? { id: `\0${id}`, moduleSideEffects: false } : null;
    },
    load(id) {
      if (!id.startsWith('\0node:')) return null;
      const name = id.slice(1);
      const module = (process.getBuiltinModule(name) ?? {}) as Readonly<Record<string, unknown>>;
      const names = Object.keys(module).filter(
        (key) => /^[a-zA-Z]\w*$/.test(key) && key !== 'default',
      );
      const lines = [
        `const builtin = () => process.getBuiltinModule('${name}');`,
        ...names.map((key) => `const $${key} = ${lazily(`builtin().${key}`, module[key])};`),
        `export { ${names.map((key) => `$${key} as ${key}`).join(', ')} };`,
        typeof module === 'function'
          ? `export default ${lazily('builtin()', module)};`
          : `export default { ${names.map((key) => `get ${key}() { return builtin().${key}; }`).join(', ')} };`,
      ];
      return { code: lines.join('\n'), moduleSideEffects: false };
    },
  };
}

/** Code of a stand-in for what `expression` gives, which evaluates that as late as it can. */
function lazily(expression: string, value: unknown): string {
  if (typeof value === 'object' && value !== null && expression.endsWith('.constants')) {
    return `/* @__PURE__ */ new Proxy({}, { get: (_, key) => ${expression}[key] })`;
  }
  // What begins with a capital letter is a class, which must be there to be extended.
  const isPlain = typeof value === 'function' && /^[a-z]/.test(value.name);
  if (!isPlain) return `/* @__PURE__ */ (() => ${expression})()`;
  const call = `(...parameters) => (known ??= ${expression})(...parameters)`;
  const properties = Object.keys(value);
  if (properties.length === 0) return `/* @__PURE__ */ ((known) => ${call})()`;
  const descriptors = properties.map((key) => `${key}: { get: () => ${expression}.${key} }`);
  return `/* @__PURE__ */ ((known) => Object.defineProperties(${call}, { ${descriptors.join(', ')} }))()`;
}

/** Packages that every verb needs go into the bundle, with their licence beside it: finding and opening their files costs more. */
const BUNDLED = ['commander'];

/** What both halves have in common. */
const SHARED: BuildOptions = {
  cwd: ROOT,
  platform: 'node',
  external: new RegExp(`^(?!#|\\.|/|\\0|node:|(?:${BUNDLED.join('|')})$)`),
  plugins: [builtins()],
  treeshake: { propertyReadSideEffects: false },
};
const SHARED_OUTPUT = {
  codeSplitting: { groups: CHUNKS },
  // What a start reads is shorter by a fifth, and plain ASCII but for some strings.
  comments: false,
} as const;

function sources(entries: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(entries).map(([name, path]) => [name, join(SRC, path)]));
}

async function buildLibrary(): Promise<void> {
  await build({
    ...SHARED,
    input: { ...sources(DOORS), ...workers() },
    output: {
      ...SHARED_OUTPUT,
      dir: DIST,
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: '[name]-[hash].js',
    },
  });
}

/** Every chunk has a name that changes with its content, beside it `onecopy.js` and the like, which load it. */
async function buildPrograms(): Promise<void> {
  const { output } = await build({
    ...SHARED,
    input: { ...sources(PROGRAMS), ...workers() },
    transform: { define: { 'import.meta.main': 'true' } },
    write: false,
    output: {
      ...SHARED_OUTPUT,
      dir: PROGRAM,
      format: 'cjs',
      entryFileNames: '[name]-[hash].js',
      chunkFileNames: '[name]-[hash].js',
    },
  });
  const start = await startCode();
  mkdirSync(PROGRAM);
  for (const chunk of output) {
    if (chunk.type !== 'chunk') continue;
    const wrapped = `(function (exports, require, module, __filename, __dirname) {${chunk.code}\n})`;
    writeFileSync(join(PROGRAM, chunk.fileName), wrapped);
    if (!chunk.isEntry) continue;
    const call = `exports.start(__dirname, ${JSON.stringify(chunk.fileName)}, require);\n`;
    writeFileSync(join(PROGRAM, `${chunk.name}.js`), start + call);
  }
  writeFileSync(join(PROGRAM, 'package.json'), '{ "type": "commonjs" }\n');
  for (const name of BUNDLED) {
    copyFileSync(join(ROOT, 'node_modules', name, 'LICENSE'), join(PROGRAM, `LICENSE-${name}`));
  }
}

async function startCode(): Promise<string> {
  const { output } = await build({
    cwd: ROOT,
    input: join(SRC, 'faces/packed/start.ts'),
    platform: 'node',
    write: false,
    output: { format: 'cjs', comments: false },
  });
  return output[0].code;
}

rmSync(DIST, { recursive: true, force: true });
await buildLibrary();
await buildPrograms();
if (elsewhere === undefined) {
  const types = spawnSync(
    process.execPath,
    [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', join(ROOT, 'tsconfig.build.json')],
    { cwd: ROOT, stdio: 'inherit' },
  );
  process.exitCode = types.status ?? 1;
}
