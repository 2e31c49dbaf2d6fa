import { ConflictError, NotFoundError } from '#base/errors';
import { type ImageName, isShortName, parseImageName } from '#formats/oci';
import { completeName, isBlocked } from './endpoints.ts';
import type { RegistriesConfig } from './registries.ts';

/** The meaning of a name without transport: full names to try in order, and the setting that defines them. */
export interface NamedCandidates {
  readonly by: 'host' | 'alias' | 'search';
  /** Each with a tag or a digest, never both. */
  readonly names: readonly ImageName[];
}

/**
 * Resolves a name without transport. A name with a host stays unchanged. Otherwise an alias is used; otherwise the result has one candidate for
 * each search registry that is not blocked, to be tried in order. The user is never prompted. Source: containers-registries.conf(5), "Short-Name
 * Aliasing".
 * @throws FormatError REFERENCE_INVALID; NotFoundError SHORT_NAME_UNRESOLVED; ConflictError SHORT_NAME_AMBIGUOUS under `enforcing`
 */
export function resolveShortName(config: RegistriesConfig, text: string): NamedCandidates {
  const parsed = parseImageName(text);
  if (!isShortName(text)) return { by: 'host', names: [completeName(parsed)] };
  const end = text.slice(bareLength(text));
  const alias = config.aliases.get(text.slice(0, bareLength(text)));
  if (alias !== undefined)
    return { by: 'alias', names: [completeName(parseImageName(`${alias}${end}`))] };
  const names = config.searchRegistries
    .map((registry) => completeName(parseImageName(`${registry}/${text}`)))
    .filter((name) => !isBlocked(config, name));
  if (names.length === 0) throw unresolved(config, text);
  if (config.shortNameMode === 'enforcing' && names.length > 1) throw ambiguous(text, names);
  return { by: 'search', names };
}

/** Length of the name without tag and digest. */
function bareLength(text: string): number {
  const end = text.search(/[:@]/);
  return end < 0 ? text.length : end;
}

function unresolved(config: RegistriesConfig, text: string): NotFoundError {
  const files = config.files.length === 0 ? 'no registries.conf' : config.files.join(', ');
  return new NotFoundError(
    'SHORT_NAME_UNRESOLVED',
    `Cannot resolve short name "${text}": expected an alias or a search registry that is not blocked, found none in ${files}`,
    { name: text, files: config.files },
    { hint: `Write the host, for example docker://docker.io/${text}` },
  );
}

function ambiguous(text: string, names: readonly ImageName[]): ConflictError {
  const candidates = names.map(({ registry, repository }) => `${registry}/${repository}`);
  return new ConflictError(
    'SHORT_NAME_AMBIGUOUS',
    `Cannot resolve short name "${text}": expected one candidate under short-name-mode enforcing, found ${candidates.join(', ')}`,
    { name: text, candidates },
    { hint: 'Write the host, or add an alias to registries.conf' },
  );
}
