import { byteStringFromText } from '#base/bytes';
import { isOnecopyError } from '#base/errors';
import { parseObjectPath } from '#formats/fsverity';
import { OBJECTS } from '../layout.ts';
import type { Suspect } from '../marks/suspects.ts';
import { readObjectLink } from '../names/links.ts';
import type { Repository } from '../repository/repository.ts';
import type { Finding } from './findings.ts';

/**
 * The objects and streams that findings make suspect: the object, or the stream and its object. Findings about references and metadata do
 * not concern contents.
 */
export function suspectsOf(repository: Repository, findings: Iterable<Finding>): Suspect[] {
  const suspects: Suspect[] = [];
  for (const { path } of findings) {
    const [category, ...rest] = path.split('/');
    if (category === OBJECTS) suspects.push(...objectAt(repository, path));
    else if ((category === 'streams' || category === 'images') && rest.length === 1) {
      if (category === 'streams') suspects.push({ stream: rest[0] as string });
      const link = readObjectLink(repository.root, byteStringFromText(path), repository.algorithm);
      if (link.kind === 'object') suspects.push({ id: link.id });
    }
  }
  return suspects;
}

function objectAt({ algorithm }: Repository, path: string): Suspect[] {
  try {
    return [{ id: parseObjectPath(path, algorithm) }];
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return [];
  }
}
