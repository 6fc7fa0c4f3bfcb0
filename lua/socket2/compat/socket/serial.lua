return require'socket2.classic.serial'
