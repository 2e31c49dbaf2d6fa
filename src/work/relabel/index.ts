/**
 * Sets SELinux labels in a sysroot on a disk, as the last step of an installation does: on every inode without a label, except in deployments,
 * which have the labels of their commits.
 */
export { lookupNameOf } from './lookup-name.ts';
export { type RelabelOptions, type RelabelReport, relabelSysroot } from './relabel.ts';
