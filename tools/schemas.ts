/** The files of `schemas/`: of each verb, what it takes and what it answers, as JSON Schema. `npm run docs` writes them. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ConversionConfig, toJsonSchema } from '@valibot/to-json-schema';
import type * as v from 'valibot';
import { VERBS } from '../src/work/verbs/index.ts';

const FOLDER = new URL('../schemas/', import.meta.url);

/** The documents of all verbs by the name of their file. */
export async function schemaFiles(): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const { name, summary, load } of VERBS) {
    const verb = await load();
    const file = name.replaceAll(' ', '-');
    const document = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: `onecopy ${name}`,
      description: summary,
      $defs: {
        request: plain(verb.request, 'input'),
        report: versioned(plain(verb.report, 'output')),
      },
      $ref: '#/$defs/report',
    };
    files.set(`${file}.json`, `${JSON.stringify(document, null, 2)}\n`);
  }
  return files;
}

function plain(schema: v.GenericSchema, typeMode: 'input' | 'output'): Record<string, unknown> {
  const options = {
    typeMode,
    target: 'draft-2020-12' as const,
    ignoreActions: ['readonly'],
  } satisfies ConversionConfig;
  const { $schema: _, ...rest } = toJsonSchema(schema, options);
  return rest;
}

/** What the command line prints has the version of the documents in it. */
function versioned(report: Record<string, unknown>): Record<string, unknown> {
  const version = {
    type: 'object',
    properties: {
      schemaVersion: { const: 1 },
      // Present if there are any.
      warnings: { type: 'array', items: { type: 'string' } },
    },
    required: ['schemaVersion'],
  };
  return { allOf: [version, report] };
}

/** Writes the files anew. */
export async function writeSchemas(): Promise<void> {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER);
  for (const [name, text] of await schemaFiles()) {
    writeFileSync(fileURLToPath(new URL(name, FOLDER)), text);
  }
}
