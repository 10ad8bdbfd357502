/* SPDX-License-Identifier: Apache-2.0
 * From a mapping to an object. */
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/base/file.h"
#include "agent/base/fmt.h"
#include "agent/base/log.h"
#include "agent/symbols/image.h"
#include "agent/symbols/lines.h"

#define HEAD_BYTES 1024 /* of two files to compare: headers, notes, the first names */
#define LINK_BYTES 64   /* "/proc/self/map_files/START-END" */

/* The image in memory, as far as it can be read. */
struct live {
	bool there;
	struct pa_elf elf;
	char build_id[PA_BUILD_ID_HEX];
	const struct pa_module *gone; /* it was there, as this says */
};

static void live_open(struct live *l, const struct pa_image *image)
{
	l->build_id[0] = '\0';
	l->gone = NULL;
	l->there = image->has_head && pa_elf_open_image(&l->elf, image->head) == 0;
	if (l->there)
		pa_elf_build_id(&l->elf, l->build_id);
}

static bool same_inode(const struct pa_map *map, const struct pa_object_id *id)
{
	return map->inode == id->inode && map->dev >> 20 == major(id->dev) &&
	       (map->dev & 0xfffff) == (minor(id->dev) & 0xfffff);
}

static bool same_head(int fd, uint64_t head)
{
	const struct pa_elf_source file = pa_elf_source_file(fd, HEAD_BYTES);
	const struct pa_elf_source memory = pa_elf_source_memory(head, HEAD_BYTES);
	char a[HEAD_BYTES], b[HEAD_BYTES];

	return pa_elf_read(&file, 0, a, sizeof(a)) == 0 &&
	       pa_elf_read(&memory, 0, b, sizeof(b)) == 0 && !memcmp(a, b, sizeof(a));
}

/* Whether a file is the one that is mapped. Build ids decide where the image has one: numbers of
 * devices and inodes mean little across mounts, and btrfs and overlayfs show another device in
 * /proc/self/maps than stat(2) does. Without one the numbers have to be equal, or at least the
 * inode's and the first bytes. A file that is not mapped any more can have been written over. */
static bool is_mapped_file(const struct pa_image *image, const struct live *live,
			   const struct pa_object_id *id, const char *build_id, int fd)
{
	if (live->build_id[0])
		return !strcmp(live->build_id, build_id);
	if (live->gone)
		return image->map->inode == id->inode && live->gone->size == id->size &&
		       live->gone->mtime_ns == id->mtime_ns;
	if (same_inode(image->map, id))
		return true;
	return fd >= 0 && live->there && image->map->inode == id->inode &&
	       same_head(fd, image->head);
}

static struct pa_object *from_file(const struct pa_image *image, const struct live *live,
				   const char *path)
{
	struct pa_object_id id;
	struct pa_object *o = NULL;
	struct pa_elf_source src;
	struct pa_elf e;
	int fd = pa_object_open_file(path, &id);

	if (fd < 0)
		return NULL;
	src = pa_elf_source_file(fd, id.size);
	o = pa_object_find(&id);
	if (!o && (pa_elf_open(&e, &src) < 0 || pa_object_get(&id, &e, &o) < 0))
		o = NULL;
	if (o && !is_mapped_file(image, live, &id, pa_object_build_id(o), fd)) {
		pa_object_put(o);
		o = NULL;
	}
	close(fd);
	return o;
}

static struct pa_object *from_memory(const struct pa_elf *e)
{
	struct pa_object *o;

	return pa_object_get(NULL, e, &o) == 0 ? o : NULL;
}

/* The kernel's link to the very file that is mapped; following it takes privileges. */
static const char *map_files_link(const struct pa_map *map, struct pa_arena *a)
{
	char *link = pa_arena_alloc(a, LINK_BYTES);

	if (link)
		pa_fmt(link, LINK_BYTES, "/proc/self/map_files/%llx-%llx",
		       (unsigned long long)map->start, (unsigned long long)map->end);
	return link;
}

static bool is_program(const struct pa_image *image)
{
	const uint64_t entry = getauxval(AT_ENTRY);

	return entry >= image->shown.start && entry < image->shown.limit;
}

static void open_file_image(struct pa_image_symbols *s, const struct pa_image *image,
			    struct pa_arena *a)
{
	struct live live;

	live_open(&live, image);
	if (!image->map->deleted) {
		s->path = image->map->path;
		s->object = from_file(image, &live, s->path);
	}
	if (!s->object && (s->path = map_files_link(image->map, a)) != NULL)
		s->object = from_file(image, &live, s->path);
	if (!s->object && is_program(image)) {
		s->path = "/proc/self/exe"; /* as the kernel has it, for everybody */
		s->object = from_file(image, &live, s->path);
	}
	if (!s->object && live.there) {
		s->path = NULL;
		s->object = from_memory(&live.elf);
	}
}

static void open_vdso(struct pa_image_symbols *s, const struct pa_image *image)
{
	const struct pa_elf_source src =
		pa_elf_source_memory(image->shown.start, image->shown.limit - image->shown.start);
	struct pa_elf e;

	if (pa_elf_open(&e, &src) == 0)
		s->object = from_memory(&e);
}

static void find_bias(struct pa_image_symbols *s, const struct pa_image *image)
{
	const struct pa_elf *e = pa_object_elf(s->object);

	s->build_id = pa_object_build_id(s->object);
	if (e->image)
		s->bias = e->src.base;
	else
		s->failed = pa_elf_bias(e, image->map->start, image->map->offset, &s->bias) < 0;
}

void pa_image_open(struct pa_image_symbols *ret, const struct pa_image *image, struct pa_arena *a)
{
	struct pa_image_symbols s = {.build_id = ""};

	if (image->map->inode)
		open_file_image(&s, image, a);
	else if (!strcmp(image->map->path, "[vdso]"))
		open_vdso(&s, image);
	if (s.object)
		find_bias(&s, image);
	*ret = s;
}

void pa_image_open_gone(struct pa_image_symbols *ret, const struct pa_image *image,
			const struct pa_module *m, struct pa_kept *kept)
{
	struct pa_image_symbols s = {.build_id = "", .kept = kept};
	const struct pa_elf *copy = kept ? pa_kept_elf(kept) : NULL;
	const char *build_id = kept ? pa_kept_build_id(kept) : "";
	struct live live = {.gone = m};

	memcpy(live.build_id, build_id, strlen(build_id) + 1);
	/* What has the same build id in a file of the same name is the same, unlinked or not. */
	if (m->path[0] == '/') {
		s.path = image->map->path;
		s.object = from_file(image, &live, s.path);
	}
	if (!s.object && copy) {
		s.path = NULL;
		s.object = from_memory(copy);
	}
	s.build_id = build_id;
	if (s.object)
		find_bias(&s, image);
	/* A copy of the same file may have been made of an image elsewhere. */
	if (s.object && pa_object_elf(s.object)->image)
		s.bias = m->object.bias;
	*ret = s;
}

void pa_image_use_copy(struct pa_image_symbols *s)
{
	struct pa_object *o = from_memory(pa_kept_elf(s->kept));

	if (!o)
		return;
	pa_object_put(s->object);
	s->object = o;
	s->build_id = pa_object_build_id(o);
}

void pa_image_close(struct pa_image_symbols *s)
{
	pa_object_put(s->object);
	pa_kept_put(s->kept);
	pa_lines_put(s->lines);
}

/* Where the object's bytes are to be had now. */
static int source_of(const struct pa_image_symbols *s, struct pa_image_reader *reader,
		     struct pa_elf_source *ret)
{
	const struct pa_elf *e = pa_object_elf(s->object);
	struct pa_object_id id;

	if (!s->path) {
		*ret = e->src;
		return 0;
	}
	if (reader->open != s) {
		int fd = pa_object_open_file(s->path, &id);

		if (fd < 0)
			return fd;
		if (!pa_object_id_equal(&id, pa_object_id(s->object))) {
			close(fd); /* replaced since the request began */
			return -ESTALE;
		}
		if (reader->fd >= 0)
			close(reader->fd);
		reader->fd = fd;
		reader->open = s;
	}
	*ret = pa_elf_source_file(reader->fd, pa_object_id(s->object)->size);
	return 0;
}

int pa_image_file(const struct pa_image_symbols *s, struct pa_image_reader *reader)
{
	struct pa_elf_source src;

	return s->path && source_of(s, reader, &src) == 0 ? src.fd : -1;
}

static bool load(struct pa_image_symbols *s, const struct pa_image *image,
		 struct pa_image_reader *reader)
{
	struct pa_elf_source src;
	int r;

	if (pa_object_loaded(s->object))
		return true;
	r = source_of(s, reader, &src);
	if (r == 0)
		r = pa_object_load(s->object, &src);
	if (r < 0)
		pa_debug("no symbols of %s: %s", image->shown.file, pa_errno_text(r));
	return r == 0;
}

const struct pa_object_name *pa_image_name(struct pa_image_symbols *s, const struct pa_image *image,
					   uint64_t addr, struct pa_image_reader *reader)
{
	const struct pa_object_name *name;
	struct pa_elf_source src;
	struct pa_object_hit hit;

	if (!s->object || s->failed)
		return NULL;
	if (!s->ready) {
		s->failed = !load(s, image, reader);
		s->ready = !s->failed;
	}
	if (s->failed || !pa_object_lookup(s->object, addr - s->bias, &hit))
		return NULL;
	name = pa_object_name_known(s->object, &hit);
	if (name || source_of(s, reader, &src) < 0)
		return name;
	return pa_object_name(s->object, &hit, &src, reader->scratch);
}

uint64_t pa_image_function(struct pa_image_symbols *s, uint64_t addr,
			   struct pa_image_reader *reader)
{
	struct pa_elf_source src;
	uint64_t start;
	int r;

	if (!s->object || s->failed)
		return 0;
	r = pa_object_function(s->object, addr - s->bias, NULL, &start);
	if (r == -EAGAIN && source_of(s, reader, &src) == 0)
		r = pa_object_function(s->object, addr - s->bias, &src, &start);
	return r == 0 ? start + s->bias : 0;
}

const struct pa_object_name *pa_image_ifunc(struct pa_image_symbols *s,
					    const struct pa_image *image, uint64_t start,
					    const struct pa_ifunc_images *images, uint64_t key,
					    struct pa_image_reader *reader)
{
	struct pa_elf_source src;

	if (!image->has_head || source_of(s, reader, &src) < 0)
		return NULL;
	return pa_object_ifunc(s->object, start - s->bias, &src, image->head, images, key,
			       reader->scratch);
}

void pa_image_reader_done(struct pa_image_reader *reader)
{
	if (reader->open)
		close(reader->fd);
	reader->open = NULL;
	if (reader->scratch)
		pa_demangler_free(reader->scratch->demangler);
}

const char *pa_image_kernel_build_id(struct pa_arena *a)
{
	char notes[4096], hex[PA_BUILD_ID_HEX];
	ssize_t n = pa_file_read_small("/sys/kernel/notes", notes, sizeof(notes));
	const char *copy;

	if (n <= 0)
		return "";
	pa_elf_notes_build_id(notes, (size_t)n, hex);
	copy = pa_arena_strndup(a, hex, strlen(hex));
	return copy ? copy : "";
}
