import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A whole repository as sorted lines, in the form of the recorded transcripts: `d MODE PATH`, `f MODE SIZE PATH`, `l PATH -> TARGET`;
 * the fan-out directories of objects are left out.
 */
export function describeRepository(path: string): string[] {
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' });
  const rows = names.filter((name) => !/^objects\/[0-9a-f]{2}$/.test(name)).sort();
  return rows.map((name) => {
    const stat = lstatSync(join(path, name));
    const mode = (stat.mode & 0o7777).toString(8).padStart(4, '0');
    if (stat.isSymbolicLink()) return `l ${name} -> ${readlinkSync(join(path, name))}`;
    return stat.isDirectory() ? `d ${mode} ${name}` : `f ${mode} ${stat.size} ${name}`;
  });
}
