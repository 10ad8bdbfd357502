# SPDX-License-Identifier: Apache-2.0
# `make help` lists the targets.

CC ?= gcc
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wimplicit-fallthrough
ifeq ($(DEVELOPER),1)
WARN += -Werror
endif
CPPFLAGS += -D_GNU_SOURCE -DPA_VERSION='"$(VERSION)"' -I. -I$(BUILD)/gen
CFLAGS ?= -O2 -g
AGENT_CFLAGS := -std=gnu17 -fPIC -fvisibility=hidden -fno-plt -ftls-model=initial-exec \
	-fno-math-errno -fexceptions $(WARN)

MODULES := agent/base agent/host agent/unwind agent/symbols agent/core agent/http collectors exporters
SRC := agent/main.c $(sort $(foreach m,$(MODULES),$(wildcard $(m)/*.c)))
OBJ := $(SRC:%.c=$(BUILD)/obj/%.o)
PROTO_OBJ := $(BUILD)/gen/profile.pb-c.o
# Everything but the composition root and the libc hooks: what unit tests link.
LIB_OBJ := $(filter-out $(BUILD)/obj/agent/main.o $(BUILD)/obj/agent/host/hook_%.o,$(OBJ)) $(PROTO_OBJ)
STATIC_LIBS := -l:libprotobuf-c.a -l:libz.a -l:libiberty.a

UNIT_SRC := $(sort $(wildcard test/unit/*_test.c))
UNIT := $(UNIT_SRC:test/unit/%.c=$(BUILD)/test/unit/%)

.DELETE_ON_ERROR:
.PHONY: all
all: $(BUILD)/libprofagent.so ## build the agent

$(BUILD)/gen/profile.pb-c.c: exporters/profile.proto
	@mkdir -p $(@D)
	protoc-c --proto_path=exporters --c_out=$(@D) $<

$(BUILD)/gen/profile.pb-c.h: $(BUILD)/gen/profile.pb-c.c ;

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	$(CC) $(CPPFLAGS) $(CFLAGS) -std=gnu17 -fPIC -fvisibility=hidden -w -c -o $@ $<

$(BUILD)/obj/exporters/%.o: $(BUILD)/gen/profile.pb-c.h

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(AGENT_CFLAGS) -MMD -MP -c -o $@ $<

# A handler may run on a small stack and while the dynamic linker is at work: no stack protector
# call, no calls that the compiler makes up.
$(BUILD)/obj/%_sig.o: AGENT_CFLAGS += -fno-stack-protector

$(BUILD)/libprofagent.so: $(OBJ) $(PROTO_OBJ) agent/exports.map
	$(CC) -shared -o $@ $(LDFLAGS) -static-libgcc -Wl,-Bsymbolic -Wl,--exclude-libs,ALL \
		-Wl,--version-script=agent/exports.map -Wl,-z,now,-z,relro,-z,initfirst,-z,defs,-z,text \
		-Wl,--as-needed -Wl,-soname,libprofagent.so $(OBJ) $(PROTO_OBJ) $(STATIC_LIBS)

$(BUILD)/libagent.a: $(LIB_OBJ)
	rm -f $@
	ar rcs $@ $^

$(BUILD)/test/unit/%: test/unit/%.c test/tap.h $(BUILD)/libagent.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -std=gnu17 $(WARN) -MMD -MP -o $@ $< $(BUILD)/libagent.a $(STATIC_LIBS) \
		-ldl -lpthread $(TEST_LIBS)

$(BUILD)/test/unit/unwind%: TEST_LIBS += -lunwind

.PHONY: unit
unit: $(UNIT)

.PHONY: clean
clean: ## remove everything that was built
	rm -rf $(BUILD)

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

-include $(OBJ:.o=.d) $(UNIT:%=%.d)
