/* SPDX-License-Identifier: Apache-2.0
 * A library for host_storm: work a few frames deep that ends in an exception. Each copy of the
 * file is a library of its own to the loader. */
#include <stdexcept>

namespace
{
volatile unsigned long sum;

struct guard {
	unsigned long &count;
	~guard()
	{
		count++;
	}
};

__attribute__((noinline)) unsigned long descend(unsigned levels, unsigned long &destroyed)
{
	guard g{destroyed};

	for (unsigned i = 0; i < 2000; i++)
		sum += i;
	if (!levels)
		throw std::runtime_error("bottom");
	return descend(levels - 1, destroyed) + 1;
}
} // namespace

/* Returns the number of frames that the exception came through. */
extern "C" unsigned long storm_work(unsigned levels)
{
	unsigned long destroyed = 0;

	try {
		descend(levels, destroyed);
	} catch (const std::runtime_error &) {
		return destroyed;
	}
	return 0;
}
