#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
# Function chains, files and lines of profagent-symbolize against addr2line -i -f -C (addr2line.py
# says what is compared and which differences are explained): programs of two compilers, of DWARF 4
# and 5, and libc with its debug package. SHOW=n shows n examples of each difference.
. "$(dirname "$0")/../lib.sh"
tap_need g++ clang++ addr2line llvm-symbolizer nm python3 readelf
here=$(cd "$(dirname "$0")" && pwd)
symbolize=$BUILD/profagent-symbolize
export PYTHONDONTWRITEBYTECODE=1

cat >"$tmp/shapes.cc" <<'EOF2'
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <regex>
#include <sstream>
#include <unordered_map>
#include <vector>
namespace shapes {
namespace {
struct Shape {
	virtual ~Shape() {}
	virtual double area() const = 0;
	template <class F> auto with(F f) const { return f(area()); }
};
struct Square : Shape {
	double side;
	explicit Square(double s) : side(s) {}
	double area() const override { return side * side; }
};
struct Circle : Shape {
	double r;
	explicit Circle(double x) : r(x) {}
	double area() const override { return 3.14159 * r * r; }
	bool operator<(const Circle &o) const { return r < o.r; }
};
std::unique_ptr<Shape> make(int i)
{
	if (i % 2)
		return std::make_unique<Square>(i);
	return std::make_unique<Circle>(i);
}
static double total(const std::vector<std::unique_ptr<Shape>> &v)
{
	return std::accumulate(v.begin(), v.end(), 0.0, [](double sum, const auto &s) {
		return sum + s->with([](double a) { return a > 10 ? a : 10; });
	});
}
}
std::map<std::string, double> count(int n)
{
	std::map<std::string, double> result;
	std::unordered_map<int, std::vector<std::unique_ptr<Shape>>> kinds;
	for (int i = 0; i < n; i++)
		kinds[i % 7].push_back(make(i));
	for (auto &kind : kinds) {
		std::sort(kind.second.begin(), kind.second.end(),
			  [](const auto &a, const auto &b) { return a->area() < b->area(); });
		std::ostringstream name;
		name << "kind " << kind.first;
		if (kind.second.empty())
			throw std::runtime_error("none");
		result[name.str()] = total(kind.second);
	}
	return result;
}
}
int main(int argc, char **argv)
{
	std::regex r("k(i|n)*d [0-9]");
	std::function<int(int)> f = [&](int x) { return x + argc; };
	for (auto &e : shapes::count(f(argc * 50)))
		if (std::regex_match(e.first, r))
			std::cout << e.first << " " << e.second << "\n";
	return argv == nullptr;
}
EOF2
cat >"$tmp/plain.c" <<'EOF2'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct list {
	struct list *next;
	char name[16];
};
static inline int hash(const char *s)
{
	unsigned h = 5381;
	while (*s)
		h = h * 33 + (unsigned char)*s++;
	return (int)(h % 64);
}
static struct list *table[64];
static struct list *find(const char *s)
{
	for (struct list *l = table[hash(s)]; l; l = l->next)
		if (!strcmp(l->name, s))
			return l;
	return NULL;
}
static void add(const char *s)
{
	struct list *l = malloc(sizeof(*l));

	if (!l) {
		fprintf(stderr, "no memory for %s\n", s);
		abort();
	}
	snprintf(l->name, sizeof(l->name), "%s", s);
	l->next = table[hash(s)];
	table[hash(s)] = l;
}
static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}
int main(int argc, char **argv)
{
	qsort(argv, (size_t)argc, sizeof(*argv), compare);
	for (int i = 0; i < argc; i++)
		if (!find(argv[i]))
			add(argv[i]);
	for (int i = 0; i < 64; i++)
		for (struct list *l = table[i]; l; l = l->next)
			puts(l->name);
	return 0;
}
EOF2
cd "$tmp" || exit 1
files=()
for version in 4 5; do
	for compiler in gcc clang; do
		cxx=${compiler/gcc/g}++
		$compiler -O2 -g -gdwarf-$version -o "plain-$compiler-$version" plain.c || exit 1
		$cxx -O2 -g -gdwarf-$version -o "shapes-$compiler-$version" shapes.cc || exit 1
		files+=("plain-$compiler-$version" "shapes-$compiler-$version")
	done
	g++ -O3 -flto -g -gdwarf-$version -o "lto-$version" shapes.cc
	files+=("lto-$version")
done
# Debian: libc6-dbg.
libc=$(ldd plain-gcc-5 | sed -n 's,.*=> \(/.*/libc\.so\.6\) .*,\1,p')
id=$(readelf -n "$libc" 2>/dev/null | sed -n 's/.*Build ID: //p')
debug=/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug
if [ -e "$debug" ]; then
	files+=("$libc=$debug")
else
	echo "# no debug package of libc"
fi
python3 "$here/addr2line.py" "$symbolize" 2000 --show "${SHOW:-1}" "${files[@]}" >out
status=$?
grep -v '^#  *\(ours\|addr2line\|llvm\) ' out | cut -c -300 | sed 's/^\([^#]\)/# \1/'
[ -z "${SHOW:-}" ] || cut -c -300 out
ok "at least 99.9 % of $(sed -n 's/.* of \([0-9]*\) agree/\1/p' out) agree" test $status -eq 0
in_range "$(sed -n 's/.* of \([0-9]*\) agree/\1/p' out)" 5000 1000000 "enough was compared"
tap_done
