/**
 * The target of the first link with `rel="next"`, as it is written. Several links, quoted or bare parameters, and other parameters are
 * accepted; a syntax error ends the parsing. Source: RFC 8288 section 3.
 */
export function nextLink(header: string): string | undefined {
  const link =
    /[ \t]*<([^<>]*)>((?:[ \t]*;[ \t]*[\w!#$%&'*+.^`|~-]+(?:[ \t]*=[ \t]*(?:"(?:[^"\\]|\\.)*"|[^",; \t]+))?)*)[ \t]*(?:,|$)/y;
  for (let match = link.exec(header); match !== null; match = link.exec(header)) {
    const [, target, parameters = ''] = match;
    const [, quoted, bare] =
      /;[ \t]*rel[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^",; \t]+))/i.exec(parameters) ?? [];
    const relations = (quoted ?? bare ?? '').toLowerCase().split(/[ \t]+/);
    if (relations.includes('next')) return target;
  }
  return undefined;
}
