/** A path without slashes at both ends, and without `.` at its start: as names of a TOC and paths of a layer can be compared. */
export function plainPath(path: string): string {
  return path.replace(/^(?:\.?\/)+|\/+$/g, '');
}
