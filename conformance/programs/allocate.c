/* SPDX-License-Identifier: MIT
 * Part of a host that allocates for its own AWS-LC: which looks for functions of these names in the whole process. */
#include <stdlib.h>
#include <string.h>

static const size_t head = 16;

void *OPENSSL_memory_alloc(size_t size) {
    char *block = malloc(head + size);
    if (block == NULL) {
        return NULL;
    }
    *(size_t *)block = size;
    return block + head;
}

size_t OPENSSL_memory_get_size(void *memory) {
    return *(size_t *)((char *)memory - head);
}

void OPENSSL_memory_free(void *memory) {
    char *block = (char *)memory - head;
    explicit_bzero(memory, *(size_t *)block);
    free(block);
}

void *OPENSSL_memory_realloc(void *memory, size_t size) {
    size_t had = OPENSSL_memory_get_size(memory);
    void *moved = OPENSSL_memory_alloc(size);
    if (moved != NULL) {
        memcpy(moved, memory, had < size ? had : size);
        OPENSSL_memory_free(memory);
    }
    return moved;
}
