import { deepEqual } from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Phrases that hide their subject or avoid the term of the field, each with what to write instead. */
const REPLACED: readonly (readonly [phrase: RegExp, better: string])[] = [
  [/what (?:no name|nothing) (?:reaches|names)/i, 'objects that no image or ref uses'],
  [/nothing names/i, 'no ref names'],
  [/is as asked/i, 'verify that the repository matches these options'],
  [/do without fs-verity/i, 'create the repository without fs-verity'],
  [/of the one there/i, 'of an existing repository'],
  [/digests whole in tables/i, 'do not shorten digests'],
  [/everything belongs to you/i, 'do not restore owners'],
  [/take a (?:mount|name) away/i, 'unmount an image; remove a name'],
  [/instead of finding out/i, 'read the file as this format (default: detect)'],
  [/say what this host can/i, 'report supported features'],
  [/give a server up/i, 'fail if the server sends no data for this long'],
  [/older than the present one|ref's present one/i, 'the one the ref names now'],
  [/lay the trees over/i, 'start from this commit'],
  [/(?<!temporary )files of interrupted runs/i, 'temporary files of interrupted runs'],
  [/get other ids than/i, "ids will differ from cfsctl's"],
  [/pull again what/i, 'run `onecopy fsck` to list the images, then pull those again'],
  [/somebody else/i, 'another process, another user'],
  [/\blikest\b/i, 'the most similar'],
  [/taken as it is\b/i, 'reused'],
  [/is no base and no result/i, 'is ignored and pulled again'],
  [/other in every process/i, 'random per process, against hash flooding'],
  [/when all is over/i, 'at `finish()`'],
  [/only spares time/i, 'is an optimisation'],
  [/\bwhoever\b/i, 'name the caller, the reader, the process or the user'],
  [/\bsomebody\b/i, 'another process, another user'],
  [/leads? nowhere/i, 'is dangling, has no target'],
  [/put together again/i, 'rebuilt'],
  [/one behind the other/i, 'concatenated'],
  [/pass(?:es|ed) over/i, 'ignored, skipped'],
  [/\bin vain\b/i, 'needlessly, without result'],
  [/here already|there already\b/i, 'already stored, already exists'],
  [/goes on (?:where|from here)/i, 'is resumed'],
  [/(?:a|one) that is no (?:object|regular|JSON)/i, 'that is not an object'],
  [/lets? go of/i, 'releases, drops'],
  [/gives? (?:the|a) lock back/i, 'releases the lock'],
  [/\bcompressed anew\b/i, 'compressed again'],
  [/no name reaches|names? no longer reach/i, 'that no image or ref uses'],
  [/list what there is/i, 'List all names with: onecopy images'],
];

test('help, messages, comments and pages avoid the listed unclear phrases', () => {
  const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'bin/onecopy'];
  const folders = ['src', 'test', 'tools', 'fuzz', 'bench', 'docs', 'man'];
  const files = folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(?:ts|md|1)$/.test(name) && !/^golden|node_modules\/|^api\//.test(name))
      .map((name) => join(folder, name)),
  );
  const found = [...pages, ...files]
    .filter((file) => file !== 'test/architecture/wording.test.ts')
    .flatMap((file) =>
      readFileSync(join(ROOT, file), 'utf8')
        .split('\n')
        .flatMap((line, at) =>
          REPLACED.filter(([phrase]) => phrase.test(line)).map(
            ([, better]) => `${file}:${at + 1}: write "${better}"`,
          ),
        ),
    );
  deepEqual(found, []);
});
