/**
 * splitdirfdstream, version 0: containers/storage and composefs-rs use it to pass a layer to each other. The tar is sent as literal bytes and as
 * names of files below directories, whose descriptors are passed beside the stream. The concatenated chunks are the tar; the receiver verifies
 * it.
 *
 *     offset  size  structure (0), inline content (1)      file content (2)
 *     0       1     tag                                    tag
 *     1       4     length                                 size of the file, 8 bytes
 *     5       …     bytes                                  at 9 directory index, 4 bytes; at 13 length of the name, 4 bytes; at 17 name
 */
export { type DescriptorPlan, FRAME_DESCRIPTORS_MAX, planDescriptors } from './descriptors.ts';
export { LITERAL_BYTES_MAX, NAME_BYTES_MAX } from './layout.ts';
export { SplitdirfdReader, type SplitdirfdRecord } from './reader.ts';
export { SplitdirfdWriter } from './writer.ts';
