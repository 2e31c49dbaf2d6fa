import type { StatReport } from '#work/verbs';
import { formatDevice, formatMode, formatPath, formatTarget } from './entry.ts';
import type { Text } from './text.ts';

/** The text of `stat`. */
export const text: Text<StatReport> = ({ entries }, { line }) => {
  for (const entry of entries) {
    line(`Path:     ${formatPath(entry)}`);
    line(`Kind:     ${entry.kind}`);
    line(`Mode:     ${entry.mode} (${formatMode(entry)})`);
    line(`Owner:    ${entry.uid}:${entry.gid}`);
    line(`Size:     ${entry.sizeBytes}`);
    line(`Modified: ${entry.mtime}`);
    line(`Links:    ${entry.linkCount}`);
    if (entry.target !== null) line(`Target:   ${formatTarget(entry).slice(' -> '.length)}`);
    if (entry.rdev !== 0) line(`Device:   ${formatDevice(entry.rdev)}`);
    if (entry.objectId !== null) line(`Object:   ${entry.objectId}`);
    for (const [key, value] of Object.entries(entry.xattrs)) {
      line(`Xattr:    ${key}=0x${Buffer.from(value, 'base64').toString('hex')}`);
    }
  }
};
