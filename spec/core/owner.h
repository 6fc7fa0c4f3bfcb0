// An object for the ops of a test that belong to no socket.
#pragma once

#include "core/io/object.h"

namespace socket2 {

class Owner final : public Object {
   public:
    Owner() : Object(kTcp) {}

   private:
    void on_close(Loop&) override {}
};

}  // namespace socket2
