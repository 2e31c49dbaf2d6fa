/** Actions by resource, such as `repository:library/alpine` → `pull`. */
export type Scopes = ReadonlyMap<string, ReadonlySet<string>>;

/** The scopes for one repository, and for repositories from which blobs are mounted. */
export function repositoryScopes(
  repository: string,
  actions: readonly string[],
  mountedFrom: readonly string[] = [],
): Scopes {
  const scopes = new Map([[`repository:${repository}`, new Set(actions)]]);
  for (const name of mountedFrom) scopes.set(`repository:${name}`, new Set(['pull']));
  return scopes;
}

/** Reads the `scope` of a challenge: `type:name:action[,action]`, several separated by blanks. Other text is ignored. */
export function parseScopes(text: string): Scopes {
  const scopes = new Map<string, Set<string>>();
  for (const one of text.split(' ')) {
    const cut = one.lastIndexOf(':');
    const resource = one.slice(0, cut);
    if (cut < 0 || !resource.includes(':')) continue;
    const actions = one
      .slice(cut + 1)
      .split(',')
      .filter((action) => /^[a-z*]{1,20}$/.test(action));
    scopes.set(resource, new Set([...(scopes.get(resource) ?? []), ...actions]));
  }
  return scopes;
}

/** One scope for each resource, with the actions of both. */
export function uniteScopes(one: Scopes, other: Scopes): Scopes {
  const united = new Map(one);
  for (const [resource, actions] of other) {
    united.set(resource, new Set([...(united.get(resource) ?? []), ...actions]));
  }
  return united;
}

/** The texts of scopes, in their order. */
export function formatScopes(scopes: Scopes): string[] {
  return [...scopes].map(([resource, actions]) => `${resource}:${[...actions].join(',')}`);
}

/** True if `one` includes `other`. */
export function coversScopes(one: Scopes, other: Scopes): boolean {
  return [...other].every(([resource, actions]) =>
    [...actions].every((action) => one.get(resource)?.has(action) === true),
  );
}
