// Reuses pieces of memory that all have the same size.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace socket2 {

class ChunkPool {
   public:
    static constexpr size_t kChunk = 16384;

    // Null when there is no memory.
    std::unique_ptr<char[]> take() {
        if (chunks_.empty()) return std::unique_ptr<char[]>(new (std::nothrow) char[kChunk]);
        std::unique_ptr<char[]> chunk = std::move(chunks_.back());
        chunks_.pop_back();
        return chunk;
    }
    void give(std::unique_ptr<char[]> chunk) noexcept {
        if (chunks_.size() == kKept) return;
        try {
            chunks_.push_back(std::move(chunk));
        } catch (const std::bad_alloc&) {  // then it is freed
        }
    }

   private:
    static constexpr size_t kKept = 64;

    std::vector<std::unique_ptr<char[]>> chunks_;
};

}  // namespace socket2
