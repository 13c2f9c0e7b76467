# SPDX-License-Identifier: GPL-2.0-only
# Choices of the build, in one place. Override on make's command line.
CC       ?= gcc
BUILD    ?= build
OPT      ?= -O2
# debug build: asserts the wait table, poisons freed memory
DEBUG    ?= 1
