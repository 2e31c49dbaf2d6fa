import * as v from 'valibot';
import { findPlaces, placeOf } from '#work/account';
import { locateRepository } from '#work/repository';
import { explain, STEP_KINDS } from '#work/why';
import { list, text, texts } from './schemas.ts';
import { defineVerb } from './verb.ts';

const request = v.strictObject({
  /** An id or a digest, or the beginning of one; the name of an image, a commit or a stream; the path of a file of a store. */
  thing: text,
  /** Paths in the image or commit that `thing` names: asks about these files instead. */
  paths: texts,
  /** Stores to search; empty for those of this host. */
  store: texts,
});

const step = v.object({ kind: v.picklist(STEP_KINDS), name: text });

const report = v.object({
  things: list(
    v.object({
      ...step.entries,
      store: text,
      /** False for something missing that others refer to. */
      isStored: v.boolean(),
      /** False if no root leads to it: a garbage collection removes it. */
      isKept: v.boolean(),
      /** Chains of references, each from a root to the thing; if nothing keeps it, from what refers to it. */
      chains: list(list(step)),
      /** True if there are more chains. */
      isCut: v.boolean(),
    }),
  ),
  /** What this user may not read, or what is damaged. Chains through it are not in the report. */
  unseen: list(v.object({ store: text, problem: text })),
});
export type WhyReport = v.InferOutput<typeof report>;

/** Physical root of a host that boots deployments. Source: ostree, sysroot layout. */
const DEFAULT_SYSROOT = '/sysroot';

/** `why`: the roots that keep an object, a layer, an image or a file, and the references from them to it. */
export const why = defineVerb({
  request,
  report,
  examples: [
    { request: { thing: 'app' }, says: 'Show what keeps the image app, beside its name' },
    {
      request: { thing: 'app', paths: ['/hello.txt'] },
      says: 'Show what keeps the content of a file of an image',
    },
    {
      request: { thing: 'localhost/app:1', store: ['containers-storage:'] },
      says: 'Show what keeps an image of podman',
    },
  ],
  hasFindings: ({ unseen }) => unseen.length > 0,
  async run(context, { thing, paths, store }) {
    const { signal, onProgress, repository, sysroot = DEFAULT_SYSROOT } = context;
    const stores =
      store.length > 0
        ? await Promise.all(store.map(placeOf))
        : await findPlaces(locateRepository(repository));
    const question = { thing, paths, stores, sysroot };
    const { things, unseen } = await explain(question, { signal, onProgress });
    return {
      things: things.map(({ chains, ...one }) => ({
        ...one,
        chains: chains.map(({ steps }) => steps),
      })),
      unseen,
    };
  },
});
