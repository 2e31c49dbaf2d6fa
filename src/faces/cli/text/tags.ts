import type { TagsReport } from '#work/verbs';
import type { Text } from './text.ts';

/** The text of `tags`. */
export const text: Text<TagsReport> = ({ registry, repository, tags }, { line, note }) => {
  if (tags.length === 0) note(`${registry}/${repository} has no tags`);
  for (const tag of tags) line(tag);
};
