/* SPDX-License-Identifier: Apache-2.0
 * MiniDebugInfo, as Fedora has it: an ELF file with a symbol table, compressed into a section. */
#include <errno.h>
#include <lzma.h>
#include <stdint.h>
#include <sys/mman.h>

#include "agent/symbolize/elf_file.h"

#define IMAGE_MAX  ((size_t)256 << 20)
#define LZMA_LIMIT ((uint64_t)128 << 20)

/* What the image will be large, by xz's index; 0 when it does not say or it is too much. */
static size_t image_size(const struct pa_dbg_bytes *xz)
{
	lzma_stream_flags footer;
	lzma_index *index = NULL;
	uint64_t limit = LZMA_LIMIT, size = 0;
	size_t pos = 0;
	const uint8_t *start;

	if (xz->size < 2 * LZMA_STREAM_HEADER_SIZE ||
	    lzma_stream_footer_decode(&footer, xz->at + xz->size - LZMA_STREAM_HEADER_SIZE) !=
		    LZMA_OK ||
	    footer.backward_size > xz->size - 2 * LZMA_STREAM_HEADER_SIZE)
		return 0;
	start = xz->at + xz->size - LZMA_STREAM_HEADER_SIZE - footer.backward_size;
	if (lzma_index_buffer_decode(&index, &limit, NULL, start, &pos, footer.backward_size) ==
	    LZMA_OK) {
		size = lzma_index_uncompressed_size(index);
		lzma_index_end(index, NULL);
	}
	return size <= IMAGE_MAX ? (size_t)size : 0;
}

int pa_dbg_file_minidebug(Elf *elf, struct pa_dbg_file *ret)
{
	struct pa_dbg_bytes xz;
	uint64_t limit = LZMA_LIMIT;
	size_t size, in = 0, out = 0;
	void *image;

	if (!pa_dbg_file_section(elf, ".gnu_debugdata", &xz))
		return -ENOENT;
	/* Some linkers pad the section; a stream is padded to four bytes. */
	while (xz.size && !xz.at[xz.size - 1])
		xz.size--;
	size = image_size(&xz);
	if (!size)
		return -EBADMSG;
	image = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (image == MAP_FAILED)
		return -ENOMEM;
	if (lzma_stream_buffer_decode(&limit, 0, NULL, xz.at, &in, xz.size, image, &out, size) !=
		    LZMA_OK ||
	    out != size) {
		munmap(image, size);
		return -EBADMSG;
	}
	return pa_dbg_file_open_image(image, size, ret);
}
