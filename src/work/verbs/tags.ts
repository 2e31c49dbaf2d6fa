import * as v from 'valibot';
import { registryKeys, registryOptions } from './registry-keys.ts';
import { parseRegistryReference } from './registry-reference.ts';
import { flag, list, text } from './schemas.ts';
import { defineVerb } from './verb.ts';

/** Tags of signatures and lists of referrers. */
const ATTACHMENT = /^sha\d+-[0-9a-f]{32,}(?:\.\w+)?$/;

const report = v.object({ registry: text, repository: text, tags: list(text) });
export type TagsReport = v.InferOutput<typeof report>;

/** `tags`: lists the tags of a repository of a registry. */
export const tags = defineVerb({
  request: v.strictObject({
    reference: text,
    /** Also list tags of signatures and other attachments. */
    all: flag,
    ...registryKeys,
  }),
  report,
  examples: [
    { request: { reference: 'docker://localhost:5000/ns/app' }, says: 'List the tags of an image' },
  ],
  async run(context, { all = false, ...asked }) {
    const { registry, repository } = parseRegistryReference(asked.reference);
    // Loaded on demand: a registry client takes time to load, which other verbs do not need.
    const { openRegistryPlace } = await import('#work/registry-image');
    await using place = await openRegistryPlace({ registry, repository }, registryOptions(asked));
    for (const warning of place.warnings) context.warn(warning);
    const found = await place.repository.listTags({ signal: context.signal });
    return { registry, repository, tags: found.filter((tag) => all || !ATTACHMENT.test(tag)) };
  },
});
