/* SPDX-License-Identifier: Apache-2.0
 * Libraries loaded and unloaded by several threads at once while others throw exceptions, walk
 * the loader's list and run code of the libraries.
 *
 *	host_storm SECONDS LIBRARY... */
#include <dlfcn.h>
#include <link.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace
{
using steady = std::chrono::steady_clock;

std::atomic<unsigned long> loads, throws_, walks, wrong;
steady::time_point deadline;

bool over()
{
	return steady::now() >= deadline;
}

void loader(const std::vector<std::string> &libraries, size_t first)
{
	for (size_t i = first; !over(); i++) {
		const char *path = libraries[i % libraries.size()].c_str();
		void *handle = dlopen(path, i % 2 ? RTLD_NOW : RTLD_LAZY);

		if (!handle) {
			std::printf("dlopen: %s\n", dlerror());
			wrong++;
			return;
		}
		auto work =
			reinterpret_cast<unsigned long (*)(unsigned)>(dlsym(handle, "storm_work"));

		for (unsigned n = 0; work && n < 20; n++) {
			if (work(n) != n + 1)
				wrong++;
		}
		if (!work || dlclose(handle))
			wrong++;
		loads++;
	}
}

volatile unsigned long sum;

__attribute__((noinline)) void thrower(unsigned levels)
{
	auto held = std::make_unique<std::string>(levels, 'x');

	for (unsigned i = 0; i < 500; i++)
		sum += i + held->size();
	if (!levels)
		throw std::string("bottom");
	thrower(levels - 1);
	sum += held->size();
}

void throwing()
{
	while (!over()) {
		try {
			thrower(30);
			wrong++;
		} catch (const std::string &s) {
			if (s != "bottom")
				wrong++;
			throws_++;
		}
	}
}

void walking()
{
	while (!over()) {
		int objects = 0;

		dl_iterate_phdr(
			[](dl_phdr_info *, size_t, void *n) {
				++*static_cast<int *>(n);
				return 0;
			},
			&objects);
		if (objects < 3)
			wrong++;
		walks++;
		std::thread([] { sum += 1; }).join();
	}
}
} // namespace

int main(int argc, char **argv)
{
	std::vector<std::string> libraries(argv + (argc > 2 ? 2 : argc), argv + argc);
	std::vector<std::thread> threads;
	const char *go = std::getenv("HOST_GO");

	if (libraries.empty())
		return 2;
	for (int i = 0; go && access(go, F_OK) && i < 6000; i++)
		usleep(10000);
	deadline = steady::now() + std::chrono::seconds(std::atoi(argv[1]));
	for (size_t i = 0; i < 2; i++)
		threads.emplace_back(loader, std::cref(libraries), i);
	for (int i = 0; i < 2; i++)
		threads.emplace_back(throwing);
	threads.emplace_back(walking);
	for (auto &t : threads)
		t.join();
	std::printf("loads %s, throws %s, walks %s, wrong %lu\n", loads > 20 ? "many" : "few",
		    throws_ > 100 ? "many" : "few", walks > 20 ? "many" : "few", wrong.load());
	return 0;
}
