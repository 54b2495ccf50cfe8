/* Memory that is full of a known pattern and is rewritten all the time: page p holds pattern(seed, p,
 * generation[p]). */
#include "guest.h"

#include <stdlib.h>
#include <sys/mman.h>

static uint8_t* g_pages;
static uint32_t* g_generations;
static uint64_t g_page_count;
static pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t* page(uint64_t index) {
  return (uint64_t*)(void*)(g_pages + index * kPageBytes);
}

static void write_page(uint64_t index) {
  pattern_fill(page(index), kPageBytes / 8, g_settings.seed, index, g_generations[index]);
}

static void* rewrite(void* unused) {
  (void)unused;
  uint64_t random = g_settings.seed | 1;
  double owed = 0;
  uint64_t before = uptime_ms();
  for (;;) {
    sleep_ms(5);
    const uint64_t now = uptime_ms();
    /* What could not be written in time is not made up for: after a long pause there is no burst. */
    uint64_t elapsed = now - before;
    if (elapsed > 50) elapsed = 50;
    before = now;
    owed += (double)atomic_load(&g_settings.memory_rate) * 256.0 * (double)elapsed / 1000.0;
    while (owed >= 1 && g_page_count > 0) {
      random = random * 6364136223846793005ULL + 1442695040888963407ULL;
      const uint64_t index = (random >> 24) % g_page_count;
      pthread_mutex_lock(&g_lock);
      ++g_generations[index];
      write_page(index);
      pthread_mutex_unlock(&g_lock);
      owed -= 1;
    }
  }
  return NULL;
}

void memory_start(void) {
  g_page_count = g_settings.memory_mib * 256;
  const size_t bytes = g_page_count * kPageBytes;
  g_pages = mmap(NULL, bytes + kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  g_generations = calloc(g_page_count + 1, sizeof *g_generations);
  if (g_pages == MAP_FAILED || g_generations == NULL) {
    say("error memory: cannot hold %llu MiB", (unsigned long long)g_settings.memory_mib);
    g_page_count = 0;
  }
  for (uint64_t i = 0; i < g_page_count; ++i) write_page(i);
  start_thread(rewrite, NULL);
}

uint64_t memory_pages(void) {
  return g_page_count;
}

uint64_t memory_verify(char* text, size_t size) {
  uint64_t bad = 0;
  pthread_mutex_lock(&g_lock);
  for (uint64_t i = 0; i < g_page_count; ++i) {
    const size_t words = kPageBytes / 8;
    const size_t at = pattern_check(page(i), words, g_settings.seed, i, g_generations[i]);
    if (at == words) continue;
    if (++bad <= 3)
      append(text, size, " page=%llu,generation=%u,byte=%zu", (unsigned long long)i, g_generations[i],
             at * 8);
  }
  pthread_mutex_unlock(&g_lock);
  return bad;
}
