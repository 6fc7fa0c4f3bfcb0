return require'mbox'
