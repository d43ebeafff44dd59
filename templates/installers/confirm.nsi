; インストール確認.exe: writes the 確認コード of this PC to the desktop of whoever runs it. Rendered for one device slot.
Unicode true
Target amd64-unicode
ManifestDPIAware true
ManifestSupportedOS all
RequestExecutionLevel user
SetCompressor lzma
Name "インストール確認"
Caption "インストール確認"
OutFile "{{ confirm_file }}"
!include LogicLib.nsh

!define CODE_NAME "確認コード"
!define BEGINNING "TODOKE1|{{ contract_number }}|{{ slot }}|"
!define TROUBLE_CODE 4

VIProductVersion "1.0.0.0"
VIAddVersionKey /LANG=1041 "ProductName" "{{ service_name }}"
VIAddVersionKey /LANG=1041 "FileDescription" "{{ service_name }} インストール確認"
VIAddVersionKey /LANG=1041 "FileVersion" "1.0.0.0"
LoadLanguageFile "${NSISDIR}\Contrib\Language files\Japanese.nlf"

Var Code
Var Machine
Var Computer
Var Adapter
Var Volume
Var Line
Var Signature

Section
SectionEnd

Function .onInit
  SetRegView 64
  Call ReadMachine
  Call ReadAdapter
  Call MakeCode
  StrCpy $Line "${BEGINNING}{{ uid }}|$Code|$Machine|$Computer|$Adapter|$Volume"
  Call Sign
  Call WriteCode
  Call DropOlder
  MessageBox MB_YESNO|MB_ICONINFORMATION "確認コードを作成しました。$\r$\n$\r$\nデスクトップのファイル：${CODE_NAME}($Code).txt$\r$\n$\r$\n次に、下のサイトを開いて契約番号とダウンロードパスワードを入力し、このファイルを選んで「リクエスト送信」を押してください。$\r$\n$\r$\n{{ activation_url }}$\r$\n$\r$\n今すぐ、このサイトを開きますか。" /SD IDNO IDNO done
  ExecShell "open" "{{ activation_url }}"
done:
  SetErrorLevel 0
  Quit
FunctionEnd

; What Windows calls itself is what the PC is known by; the rest helps people to tell PCs apart.
Function ReadMachine
  ReadRegStr $0 HKLM "SOFTWARE\Microsoft\Cryptography" "MachineGuid"
  System::Call 'user32::CharLowerW(w r0 r0)p'
  StrCpy $Machine $0
  StrLen $1 $Machine
  ${If} $1 <> 36
    StrCpy $0 "このPCの識別情報（MachineGuid）を読み取れませんでした。"
    Call Trouble
  ${EndIf}
  ReadRegStr $Computer HKLM "SYSTEM\CurrentControlSet\Control\ComputerName\ActiveComputerName" "ComputerName"
  ${If} $Computer == ""
    ReadEnvStr $Computer "COMPUTERNAME"
  ${EndIf}
  StrCpy $1 $WINDIR 3
  System::Call 'kernel32::GetVolumeInformationW(w r1, p 0, i 0, *i 0r2, p 0, p 0, p 0, i 0)i.r0'
  ${If} $0 <> 0
    IntFmt $Volume "%08X" $2
  ${EndIf}
FunctionEnd

; The first adapter with a hardware address. IP_ADAPTER_INFO of 64-bit Windows: the address' length at 404, then its bytes.
Function ReadAdapter
  System::Call 'iphlpapi::GetAdaptersInfo(p 0, *i 0r1)i.r0'
  ${If} $1 < 416
    Return
  ${EndIf}
  System::Alloc $1
  Pop $2
  System::Call 'iphlpapi::GetAdaptersInfo(p r2, *i r1)i.r0'
  StrCpy $3 $2
  ${If} $0 = 0
    ${While} $3 P<> 0
      IntPtrOp $4 $3 + 404
      System::Call '*$4(i.r0, &i1.r5, &i1.r6, &i1.r7, &i1.r8, &i1.r9, &i1.R0)'
      ${If} $0 = 6
        StrCpy $Adapter ""
        Push $R0
        Push $9
        Push $8
        Push $7
        Push $6
        Push $5
        ${For} $1 1 6
          Pop $0
          IntOp $0 $0 & 0xFF
          IntFmt $0 "%02X" $0
          StrCpy $Adapter "$Adapter-$0"
        ${Next}
        StrCpy $Adapter $Adapter "" 1
        ${Break}
      ${EndIf}
      System::Call '*$3(p.r3)'
    ${EndWhile}
  ${EndIf}
  System::Free $2
FunctionEnd

Function MakeCode
  System::Call '*(&i1 0, &i1 0)p.r1'
  System::Call 'advapi32::SystemFunction036(p r1, i 2)i.r0'
  System::Call '*$1(&i1.r2, &i1.r3)'
  System::Free $1
  ${If} $0 = 0
    StrCpy $0 "確認コードに使う番号を作れませんでした。"
    Call Trouble
  ${EndIf}
  IntOp $2 $2 & 0xFF
  IntOp $3 $3 & 0xFF
  IntFmt $2 "%02X" $2
  IntFmt $3 "%02X" $3
  StrCpy $Code "{{ slot }}$2$3"
FunctionEnd

; HMAC-SHA256 of the line as UTF-16LE with the key of this installer.
Function Sign
  System::Call '*({{ key_bytes }})p.r1'
  System::Alloc 32
  Pop $2
  StrCpy $5 $Line
  StrLen $6 $Line
  IntOp $6 $6 * 2
  System::Call 'bcrypt::BCryptOpenAlgorithmProvider(*p .r3, w "SHA256", p 0, i 8)i.r4'
  System::Call 'bcrypt::BCryptHash(p r3, p r1, i 32, w r5, i r6, p r2, i 32)i.r4'
  System::Call 'bcrypt::BCryptCloseAlgorithmProvider(p r3, i 0)'
  System::Free $1
  StrCpy $Signature ""
  ${For} $7 0 31
    IntPtrOp $8 $2 + $7
    System::Call '*$8(&i1.r9)'
    IntOp $9 $9 & 0xFF
    IntFmt $9 "%02X" $9
    StrCpy $Signature "$Signature$9"
  ${Next}
  System::Free $2
  ${If} $4 != 0
    StrCpy $0 "確認コードの署名を作れませんでした。Windows 10（64ビット）またはWindows 11のPCでお試しください。"
    Call Trouble
  ${EndIf}
FunctionEnd

Function WriteCode
  ClearErrors
  FileOpen $0 "$DESKTOP\${CODE_NAME}($Code).txt" w
  ${IfNot} ${Errors}
    FileWriteUTF16LE /BOM $0 "$Line|$Signature$\r$\n"
    FileClose $0
  ${EndIf}
  ${If} ${Errors}
    StrCpy $0 "デスクトップに確認コードのファイルを作れませんでした。デスクトップに書き込めるか、空き容量があるかを確かめてください。"
    Call Trouble
  ${EndIf}
FunctionEnd

; Of the codes on the desktop only the newest of this device counts.
Function DropOlder
  StrLen $4 "${BEGINNING}"
  FindFirst $0 $1 "$DESKTOP\${CODE_NAME}(*).txt"
  ${While} $1 != ""
    ${If} $1 != "${CODE_NAME}($Code).txt"
      StrCpy $3 ""
      ClearErrors
      FileOpen $2 "$DESKTOP\$1" r
      ${IfNot} ${Errors}
        FileReadUTF16LE $2 $3
        FileClose $2
      ${EndIf}
      StrCpy $3 $3 $4
      ${If} $3 S== "${BEGINNING}"
        Delete "$DESKTOP\$1"
      ${EndIf}
    ${EndIf}
    FindNext $0 $1
  ${EndWhile}
  FindClose $0
FunctionEnd

Function Trouble
  MessageBox MB_OK|MB_ICONSTOP "$0$\r$\n$\r$\n確認コードは作成されていません。続くときは、この画面の内容を電子連携サービス事務局へお知らせください。" /SD IDOK
  SetErrorLevel ${TROUBLE_CODE}
  Quit
FunctionEnd
