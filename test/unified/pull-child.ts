import { openSysroot, unifiedPull } from '#work/unify';

/** Pulls an image into a sysroot; the parent kills it. */
const [path = '', reference = '', target = ''] = process.argv.slice(2);
using sysroot = openSysroot(path);
process.send?.('started');
await unifiedPull(sysroot, reference, { mode: 'enabled', target });
