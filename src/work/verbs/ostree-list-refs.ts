import * as v from 'valibot';
import { listLocalRefs, listRemoteRefs, type RemoteRefs } from '#work/pull-commit';
import { remoteKeys, trustKeys } from './ostree-keys.ts';
import { remoteOf, trustOf } from './ostree-trust.ts';
import { openIfPresent } from './repository.ts';
import { list, maybeText, orNull, text } from './schemas.ts';
import { defineVerb, refuseKeys, type VerbContext } from './verb.ts';

const request = v.strictObject({
  /** A URL, or a path; absent for a configured remote. */
  source: maybeText,
  ...trustKeys,
  ...remoteKeys,
});
type ListRequest = v.InferOutput<typeof request>;

/** Keys that do not apply to a repository on this host, whose refs are not signed. */
const REMOTE_KEYS = [...Object.keys(trustKeys), ...Object.keys(remoteKeys)];

const report = v.object({
  collectionId: v.nullable(text),
  refs: list(v.object({ name: text, commit: text, timestampSec: v.nullable(text) })),
});
export type OstreeListRefsReport = v.InferOutput<typeof report>;

/** `ostree list-refs`: lists the refs of a remote, or of a repository on this host. */
export const ostreeListRefs = defineVerb({
  request,
  report,
  examples: [
    { request: { source: 'os-repo' }, says: 'List the refs of a repository on this host' },
  ],
  async run(context, asked) {
    const path = asked.source === undefined ? undefined : localPathOf(asked.source);
    if (path !== undefined) refuseKeys(asked, REMOTE_KEYS, `list the refs of "${asked.source}"`);
    const found = path === undefined ? await remoteRefs(context, asked) : listLocalRefs(path);
    const { refs, collectionId } = found;
    return {
      collectionId: orNull(collectionId),
      refs: refs.map(({ name, commit, timestampSec }) => ({
        name,
        commit,
        timestampSec: timestampSec === undefined ? null : String(timestampSec),
      })),
    };
  },
});

async function remoteRefs(context: VerbContext, asked: ListRequest): Promise<RemoteRefs> {
  const { source, trust } = await remoteOf(asked.source?.replace(/^ostree:/, ''), asked);
  using repository = await openIfPresent(context);
  return await listRemoteRefs(repository, source, {
    trust: await trustOf(asked, trust),
    subset: asked.subset,
    signal: context.signal,
  });
}

/** The path in `ostree-local:PATH` or `PATH`; undefined for a URL. */
function localPathOf(source: string): string | undefined {
  if (source.startsWith('ostree-local:')) return source.slice('ostree-local:'.length);
  return /^(ostree:|mirrorlist=)|:\/\//.test(source) ? undefined : source;
}
